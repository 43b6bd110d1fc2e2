//! Private keys that OpenSSH itself makes, in its own wrapping and in PEM.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use std::process::Command;

use common::{answer, not_tested, put, there};

#[test]
fn private_keys_are_measured() {
    if !there("ssh-keygen") {
        return not_tested("private keys need ssh-keygen");
    }
    let dir = tempfile::tempdir().unwrap();
    put(dir.path(), "/etc/passwd", "root:x:0:0::/root:/bin/sh\n");
    put(dir.path(), "/root/.ssh/config", "Host *\n");
    let expected = [
        ("a", "ed25519", "", "RFC4716", "", ["0", "ed25519", "", "253", "128"]),
        ("b", "rsa", "2048", "RFC4716", "secret", ["1", "rsa", "", "2048", "112"]),
        ("c", "ecdsa", "521", "RFC4716", "", ["0", "ec", "secp521r1", "521", "256"]),
        ("d", "rsa", "1024", "PEM", "", ["0", "rsa", "", "1024", "80"]),
        ("e", "ecdsa", "384", "PEM", "", ["0", "ec", "secp384r1", "384", "192"]),
        ("f", "rsa", "3072", "PKCS8", "", ["0", "rsa", "", "3072", "128"]),
        ("g", "ecdsa", "256", "PKCS8", "", ["0", "ec", "prime256v1", "256", "128"]),
        ("h", "rsa", "2048", "PKCS8", "secret", ["1", "", "", "", ""]),
        ("i", "rsa", "2048", "PEM", "secret", ["1", "rsa", "", "", ""]),
    ];
    for (name, kind, bits, format, secret, _) in expected {
        let mut command = Command::new("ssh-keygen");
        let file = dir.path().join("root/.ssh").join(name);
        command.args(["-q", "-t", kind, "-m", format, "-N", secret, "-f"]).arg(file);
        if !bits.is_empty() {
            command.args(["-b", bits]);
        }
        assert!(command.status().unwrap().success(), "{name}");
    }
    let (found, errors) = answer(dir.path(), "SELECT * FROM user_ssh_keys WHERE uid = 0 ORDER BY path");
    assert_eq!(errors, "");
    assert_eq!(found.len(), expected.len());
    for (row, (name, .., values)) in found.iter().zip(expected) {
        let columns = ["encrypted", "key_type", "key_group_name", "key_length", "key_security_bits"];
        assert_eq!(columns.map(|column| row[column].as_str().unwrap()), values, "{name}");
    }
}
