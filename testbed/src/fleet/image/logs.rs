//! Logs of the image: those that an intruder wipes first.

use crate::dice::Dice;
use crate::fleet::file::Content;
use crate::fleet::host::Host;

/// Logs as text.
const TEXTS: &[&str] = &["/var/log/auth.log", "/var/log/syslog", "/var/log/kern.log"];
/// Logs as records, and the size of one.
const RECORDS: &[(&str, usize)] =
    &[("/var/log/wtmp", 384), ("/var/log/btmp", 384), ("/var/log/lastlog", 292)];

/// Writes a little into each.
pub(super) fn add(host: &mut Host, own: &Dice) {
    let mut dice = own.named("logs");
    let name = host.name.clone();
    for path in TEXTS {
        let lines = dice.between(1, 5);
        let line = |n| format!("{name} systemd[1]: Started session {n} of user deploy.\n");
        let text: String = (0..lines).map(line).collect();
        let changed = host.clock.now - dice.between(0, 3_000);
        host.files.put(*path, 0o640, changed, Content::Text(text));
    }
    for &(path, size) in RECORDS {
        // Records that say nothing: what counts is that there are some.
        let records = "\0".repeat(size * usize::try_from(dice.between(1, 4)).unwrap_or(1));
        let changed = host.clock.now - dice.between(0, 30_000).min(host.clock.uptime());
        host.files.put(path, 0o660, changed, Content::Text(records));
    }
}
