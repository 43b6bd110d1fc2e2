//! Tests of whole inventories.

use super::*;

const ANSIBLE: &str = r#"
# the shop
jump ansible_host=10.0.0.1   # the way in
[web]
web[01:03] http_port=80
web09 ansible_host=10.0.0.9 ansible_port=2222 ansible_user=ada ansible_ssh_private_key_file='~/.ssh/a key'

[db]
db-1
db-2 ansible_user="root"

[linux]
db-1
web01

[shop:children]
web
db

[linux:children]
db

[shop:vars]
ansible_user=deploy
ansible_port = 2200

[web:vars]
ansible_user=www

[all:vars]
ansible_ssh_private_key_file=/keys/all
"#;

fn line(target: &Target) -> String {
    let Target { host, herd, groups, address, port, user, identity } = target;
    format!(
        "{host} {herd} {} {address} {} {} {}",
        groups.join("+"),
        port.map(|port| port.to_string()).unwrap_or_default(),
        user.as_deref().unwrap_or_default(),
        identity.as_ref().map(|path| path.display().to_string()).unwrap_or_default()
    )
}

fn lines(text: &str) -> Vec<String> {
    Inventory::parse("hosts", text).unwrap().targets.iter().map(line).collect()
}

fn error(text: &str) -> String {
    Inventory::parse("hosts", text).unwrap_err().to_string()
}

#[test]
fn ansible_groups_ranges_and_variables() {
    assert_eq!(
        lines(ANSIBLE),
        [
            "jump all  10.0.0.1   /keys/all",
            "web01 web linux+shop+web web01 2200 www /keys/all",
            "web02 web shop+web web02 2200 www /keys/all",
            "web03 web shop+web web03 2200 www /keys/all",
            "web09 web shop+web 10.0.0.9 2222 ada ~/.ssh/a key",
            "db-1 db db+linux+shop db-1 2200 deploy /keys/all",
            "db-2 db db+linux+shop db-2 2200 root /keys/all",
        ]
    );
    assert!(Inventory::parse("hosts", ANSIBLE).unwrap().notes.is_empty());
}

#[test]
fn a_plain_list() {
    assert_eq!(
        lines("\u{feff}# hosts\r\nroot@web[1-2]:2222\r\n\r\n[::1]:22\r\n192.0.2.1\r\n"),
        [
            "web1 all  web1 2222 root ",
            "web2 all  web2 2222 root ",
            "::1 all  ::1 22  ",
            "192.0.2.1 all  192.0.2.1   "
        ]
    );
}

#[test]
fn the_herd_is_the_most_specific_group() {
    let text = "[linux]\na\n[web]\na\n[linux:children]\nweb\n";
    assert_eq!(lines(text), ["a web linux+web a   "]);
}

#[test]
fn duplicates_are_visited_once_and_said() {
    let mut inventory = Inventory::parse("hosts", "a\nb\na\n").unwrap();
    assert_eq!(inventory.targets.len(), 2);
    assert_eq!(inventory.notes, ["hosts:3: a is named again, after line 1; it is visited once"]);
    inventory.join(Inventory::parse("more", "b\nc\n").unwrap());
    assert_eq!(inventory.targets.iter().map(|t| t.host.as_str()).collect::<Vec<_>>(), ["a", "b", "c"]);
    assert!(inventory.notes[1].starts_with("b is named by more than one source"));
}

#[test]
fn errors_name_file_and_line() {
    assert_eq!(error("a\nb c\n"), "hosts:2: expected one host a line, and name=value after it; got \"c\"");
    assert_eq!(
        error("[web:children]\nnone\n"),
        "hosts:2: group \"none\" is a child here, and has no section [none]"
    );
    assert!(error("[w:x]\n").starts_with("hosts:1: [w:x] is no section"));
    assert!(error("[w:vars]\njust words\n").starts_with("hosts:2: \"just words\" is not name=value"));
    assert!(error("a ansible_port=ssh\n").starts_with("hosts:1: \"ssh\" is not a port"));
    assert!(error("a ansible_host=\"{{ ip }}\"\n").contains("is a template"));
    assert!(error("a x='open\n").contains("not closed"));
    assert!(error("[a:children]\nb\n[b:children]\na\n").contains("its own child"));
    assert!(error("\n\n-x\n").starts_with("hosts:3: \"-x\" cannot be the name"));
}

#[test]
fn nothing_at_all_is_no_error() {
    assert!(lines("# none yet\n").is_empty());
}
