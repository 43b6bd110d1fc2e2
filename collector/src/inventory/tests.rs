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
    let Target { host, herd, groups, address, port, user, identity, .. } = target;
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

const YAML: &str = "
---
all:
  vars:
    ansible_user: deploy
  hosts:
    jump: {ansible_host: 10.0.0.1}
  children:
    web:
      hosts:
        web[01:02]:
          ansible_port: 2222
          tags: [a, b]
      vars: {ansible_user: www}
    shop:
      children:
        web:
        db: {hosts: {db-1: }}
";

#[test]
fn ansible_yaml_means_what_the_same_ini_means() {
    let expected = [
        "jump all  10.0.0.1  deploy ",
        "web01 web shop+web web01 2222 www ",
        "web02 web shop+web web02 2222 www ",
        "db-1 db db+shop db-1  deploy ",
    ];
    assert_eq!(lines(YAML), expected);
    assert!(error("---\nall:\n  hosts: 7\n").starts_with("hosts:3: hosts must be a map"));
    assert!(error("---\nweb:\n  hosts:\n    -x:\n").contains("cannot be the name"));
    let odd = Inventory::parse("f.yml", "web:\n  hosts: {a: }\n  host: {b: }\n").unwrap();
    assert_eq!(
        odd.notes,
        ["f.yml:3: host of the group web is none of hosts, vars and children, passed over"]
    );
}

#[test]
fn what_a_program_prints() {
    let text = r#"{"_meta": {"hostvars": {"w1": {"ansible_host": "10.1.1.1", "ansible_port": 22}}},
        "all": {"children": ["ungrouped", "web", "aws"]}, "web": {"hosts": ["w1", "w2"], "vars": {"ansible_user": "u"}},
        "aws": {"children": ["web"]}, "db": ["d1"]}"#;
    assert_eq!(lines(text), ["w1 web aws+web 10.1.1.1 22 u ", "w2 web aws+web w2  u ", "d1 db db d1   "]);
}

#[test]
fn a_table_with_a_header() {
    let text = "Hostname,IP Address,role,user,rack\r\nweb-1,10.0.0.1,web;shop,ada,r1\r\n\"web-[2-3]\",,web,,\r\n,,,,\r\n";
    let inventory = Inventory::parse("f.csv", text).unwrap();
    let lines: Vec<_> = inventory.targets.iter().map(line).collect();
    assert_eq!(
        lines,
        ["web-1 web shop+web 10.0.0.1  ada ", "web-2 web web web-2   ", "web-3 web web web-3   "]
    );
    assert_eq!(inventory.notes, ["f.csv:1: columns that are not used: rack"]);
    assert_eq!(error("host,port\na,22\n,23\n"), "hosts:3: the row names no host");
    assert!(error("host,port\na,x\n").starts_with("hosts:2: \"x\" is not a port"));
}

#[test]
fn the_names_of_an_ssh_config() {
    let text = "# mine\nHost web-1 web-2\n  HostName 10.0.0.1\nHost *.lan !x\n  User y\nhost=db\n";
    assert_eq!(lines(text), ["web-1 all  web-1   ", "web-2 all  web-2   ", "db all  db   "]);
}

#[test]
fn arguments_for_ssh_say_the_way() {
    let text = "a ansible_ssh_common_args='-J ops@bastion:2222 -o StrictHostKeyChecking=no'\n\
                b ansible_ssh_common_args='-o ProxyCommand=\"ssh -W %h:%p gate\"'\nc ansible_ssh_extra_args=-oProxyJump=x,y\n";
    let inventory = Inventory::parse("f", text).unwrap();
    let ways: Vec<_> =
        inventory.targets.iter().map(|t| (t.jump.as_deref(), t.proxy_command.as_deref())).collect();
    assert_eq!(
        ways,
        [(Some("ops@bastion:2222"), None), (None, Some("ssh -W %h:%p gate")), (Some("x,y"), None)]
    );
    assert_eq!(inventory.notes, ["f:1: ansible_ssh_common_args: passed over: StrictHostKeyChecking=no"]);
}

#[test]
fn secrets_are_not_read_and_not_shown() {
    let inventory =
        Inventory::parse("f", "a ansible_password=hunter2 ansible_become_pass=hunter2\n").unwrap();
    assert!(inventory.notes[0].starts_with("f:1: ansible_password is not read"));
    assert!(!format!("{inventory:?}").contains("hunter2"));
}

#[test]
fn variables_in_files_beside_count_more() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = dir.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    write("hosts", "[web]\nweb-1 ansible_port=1\nweb-2\n[web:vars]\nansible_user=old\n");
    write("group_vars/all.yml", "ansible_port: 3\nnested: {a: b}\n");
    write("group_vars/web/main.yml", "---\nansible_user: new\n");
    write("group_vars/web/vault.yml", "$ANSIBLE_VAULT;1.1;AES256\n6162\n");
    write("host_vars/web-1.yaml", "ansible_port: 2\n");
    write("host_vars/other.yaml", "ansible_port: nonsense\n");
    let inventory = Inventory::open(&dir.path().join("hosts")).unwrap();
    let lines: Vec<_> = inventory.targets.iter().map(line).collect();
    assert_eq!(lines, ["web-1 web web web-1 2 new ", "web-2 web web web-2 3 new "]);
    assert_eq!(inventory.notes.len(), 1, "{:?}", inventory.notes);
    assert!(inventory.notes[0].ends_with("vault.yml: encrypted with ansible-vault, passed over"));

    write("host_vars/web-1.yaml", "ansible_host: \"{{ lookup('x') }}\"\n");
    let error = Inventory::open(&dir.path().join("hosts")).unwrap_err();
    assert!(error.file.ends_with("host_vars/web-1.yaml") && error.line == 1, "{error:?}");
    assert!(error.why.contains("is a template"));
    write("host_vars/web-1.yaml", "ansible_user: !vault |\n  $ANSIBLE_VAULT;1.1;AES256\n  6162\n");
    assert!(Inventory::open(&dir.path().join("hosts")).unwrap_err().why.contains("ansible-vault"));
}

#[test]
fn a_directory_and_a_program() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("10-static.ini"), "[web]\na\n").unwrap();
    std::fs::write(dir.path().join("20-more.yml"), "web: {hosts: {b: }}\nshop: {children: {web: }}\n")
        .unwrap();
    std::fs::write(dir.path().join("notes.md"), "not hosts at all").unwrap();
    let program = dir.path().join("30-cloud");
    let script = "#!/bin/sh\n[ \"$1\" = --list ] && echo '{\"web\": {\"hosts\": [\"c\"]}, \"_meta\": {\"hostvars\": {}}}'\n";
    std::fs::write(&program, script).unwrap();
    std::fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let lines: Vec<_> = Inventory::open(dir.path()).unwrap().targets.iter().map(line).collect();
    assert_eq!(lines, ["a web shop+web a   ", "b web shop+web b   ", "c web shop+web c   "]);

    std::fs::write(&program, "#!/bin/sh\necho no credentials >&2; exit 3\n").unwrap();
    let error = Inventory::open(&program).unwrap_err().to_string();
    assert!(error.contains("30-cloud: `--list` failed") && error.contains("no credentials"), "{error}");
    let missing = Inventory::open(&dir.path().join("none")).unwrap_err().to_string();
    assert!(missing.ends_with("none: cannot be read: No such file or directory (os error 2)"), "{missing}");
}

#[test]
fn becoming_root_as_ansible_says_it() {
    use crate::delivery::Privilege;
    let text =
        "a ansible_become=yes\nb ansible_become=true ansible_become_method=doas\nc ansible_become=no\nd\n";
    let told: Vec<_> = Inventory::parse("f", text).unwrap().targets.iter().map(|t| t.privilege).collect();
    assert_eq!(told, [Some(Privilege::Sudo), Some(Privilege::Doas), Some(Privilege::AsIs), None]);
    assert!(error("a ansible_become=perhaps\n").contains("neither true nor false"));
    assert!(error("a ansible_become=1 ansible_become_method=su\n").contains("there are sudo and doas"));
    assert!(error("a ansible_become_user='x; id'\n").contains("no name of an account"));
    let text = "a ansible_become=1 ansible_become_user=oracle\nb ansible_become=1\n";
    let targets = Inventory::parse("f", text).unwrap().targets;
    let users: Vec<_> = targets.iter().map(|t| t.become_user.as_ref().map(|user| user.as_str())).collect();
    assert_eq!(users, [Some("oracle"), None]);
}
