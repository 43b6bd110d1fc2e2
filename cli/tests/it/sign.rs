//! `herdiff sign` and `herdiff verify`, with OpenSSH's own ssh-keygen and ssh-agent at the other end.

use crate::support::{Place, compromised, told};
use insta::assert_snapshot;
use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};

const KINDS: [(&str, &[&str]); 5] = [
    ("ed25519", &["-t", "ed25519"]),
    ("ecdsa256", &["-t", "ecdsa", "-b", "256"]),
    ("ecdsa384", &["-t", "ecdsa", "-b", "384"]),
    ("ecdsa521", &["-t", "ecdsa", "-b", "521"]),
    ("rsa", &["-t", "rsa", "-b", "3072"]),
];

fn keygen() -> bool {
    let there = Command::new("ssh-keygen").arg("-?").output().is_ok();
    assert!(there || std::env::var_os("CI").is_none(), "ssh-keygen is not there (openssh-client)");
    if !there {
        eprintln!("NOT TESTED: signatures with OpenSSH: ssh-keygen is not there (openssh-client)");
    }
    there
}

fn ssh_keygen(place: &Place, arguments: &[&str], input: Option<&str>) -> std::process::Output {
    let mut command = Command::new("ssh-keygen");
    command.args(arguments).current_dir(place.0.path());
    if let Some(input) = input {
        command.stdin(std::fs::File::open(place.path(input)).unwrap());
    }
    command.output().unwrap()
}

/// A key of each kind, a bundle, and who may sign.
fn ground() -> Place {
    let place = Place::new();
    compromised().write(&place.path("sweep.herd"));
    let mut allowed = String::new();
    for (name, arguments) in KINDS {
        let made = ssh_keygen(&place, &[arguments, &["-q", "-N", "", "-C", "", "-f", name]].concat(), None);
        assert!(made.status.success(), "{}", told(&made));
        let public = std::fs::read_to_string(place.path(&format!("{name}.pub"))).unwrap();
        allowed += &format!("{name}@example.org namespaces=\"herdiff@bundle\" {public}");
    }
    std::fs::write(place.path("allowed"), allowed).unwrap();
    place
}

fn by_openssh(place: &Place, signature: &str, name: &str) -> std::process::Output {
    let signer = format!("{name}@example.org");
    let arguments = ["-Y", "verify", "-n", "herdiff@bundle", "-f", "allowed", "-I", &signer, "-s", signature];
    ssh_keygen(place, &arguments, Some("sweep.herd"))
}

fn by_us(place: &Place, signature: &str, name: &str) -> std::process::Output {
    let signer = format!("{name}@example.org");
    place.run(&[
        "verify",
        "sweep.herd",
        "--signature",
        signature,
        "--allowed-signers",
        "allowed",
        "-I",
        &signer,
    ])
}

#[test]
fn each_side_believes_the_other() {
    if !keygen() {
        return;
    }
    let place = ground();
    for (name, _) in KINDS {
        let ours = format!("{name}.ours.sig");
        let signed = place.run(&["sign", "sweep.herd", "--key", name, "-o", &ours]);
        assert_eq!(signed.status.code(), Some(0), "{}", told(&signed));
        let checked = by_openssh(&place, &ours, name);
        assert!(checked.status.success(), "{name}: {}", told(&checked));
        assert_eq!(by_us(&place, &ours, name).status.code(), Some(0), "{name}");
        for hash in ["sha256", "sha512"] {
            let option = format!("hashalg={hash}");
            let signed = ssh_keygen(
                &place,
                &["-Y", "sign", "-n", "herdiff@bundle", "-O", &option, "-f", name, "sweep.herd"],
                None,
            );
            assert!(signed.status.success(), "{}", told(&signed));
            let checked = place.run(&[
                "verify",
                "sweep.herd",
                "--allowed-signers",
                "allowed",
                "-I",
                &format!("{name}@example.org"),
            ]);
            assert_eq!(checked.status.code(), Some(0), "{name} {hash}: {}", told(&checked));
            std::fs::remove_file(place.path("sweep.herd.sig")).unwrap();
        }
        // One's signature is not another's.
        let other = KINDS.iter().find(|(other, _)| *other != name).unwrap().0;
        assert_eq!(by_us(&place, &ours, other).status.code(), Some(5));
    }
}

#[test]
fn an_agent_signs() {
    if !keygen() {
        return;
    }
    let place = ground();
    let agent = Agent::start(&place);
    let sign = |arguments: &[&str]| {
        let mut command = place.command(&[&["sign", "sweep.herd"], arguments].concat());
        command.env("SSH_AUTH_SOCK", place.path("agent")).output().unwrap()
    };
    assert!(told(&sign(&["--agent"])).contains("the ssh-agent has no key"));
    agent.add("rsa");
    let signed = sign(&["--agent"]);
    assert_eq!(signed.status.code(), Some(0), "{}", told(&signed));
    assert!(by_openssh(&place, "sweep.herd.sig", "rsa").status.success());
    for name in ["ed25519", "ecdsa256", "ecdsa521"] {
        agent.add(name);
        let (key, output) = (format!("{name}.pub"), format!("{name}.sig"));
        let signed = sign(&["--agent", "--key", &key, "-o", &output]);
        assert_eq!(signed.status.code(), Some(0), "{}", told(&signed));
        assert!(by_openssh(&place, &output, name).status.success(), "{name}");
    }
    assert!(told(&sign(&["--agent", "-o", "x"])).contains("--key FILE.pub says which"));
    assert!(
        told(&sign(&["--agent", "--key", "rsa", "-o", "x"])).contains("names the file that ends in .pub")
    );
    assert!(told(&sign(&["--key", "ecdsa384.pub", "-o", "x"])).contains("does not sign with that key"));
    drop(agent);
    assert!(told(&sign(&["--agent", "-o", "x"])).contains("cannot use the ssh-agent"));
    assert!(!place.path("x").exists());
}

struct Agent<'a>(Child, &'a Place);

impl<'a> Agent<'a> {
    fn start(place: &'a Place) -> Self {
        let child = Command::new("ssh-agent")
            .args(["-D", "-a"])
            .arg(place.path("agent"))
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let there = (0..3000).any(|_| {
            std::thread::sleep(std::time::Duration::from_millis(20));
            place.path("agent").exists()
        });
        assert!(there, "ssh-agent did not start");
        Self(child, place)
    }

    fn add(&self, key: &str) {
        let mut command = Command::new("ssh-add");
        command.arg("-q").arg(self.1.path(key)).env("SSH_AUTH_SOCK", self.1.path("agent"));
        assert!(command.output().unwrap().status.success());
    }
}

impl Drop for Agent<'_> {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_locked_key_asks_once() {
    if !keygen() {
        return;
    }
    let place = ground();
    let made = ssh_keygen(&place, &["-q", "-t", "ed25519", "-N", "open sesame", "-f", "locked"], None);
    assert!(made.status.success());
    assert_snapshot!(place.herdiff(&["sign", "sweep.herd", "--key", "locked"]));
    // With a terminal it asks: `script` gives it one.
    let type_in = |passphrase: &str| {
        let herdiff = env!("CARGO_BIN_EXE_herdiff");
        let command = format!("{herdiff} sign sweep.herd --key locked -o locked.sig");
        let mut child = Command::new("script")
            .args(["-q", "-e", "-c", &command, "/dev/null"])
            .current_dir(place.0.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        // Not before it asks: what is typed earlier would be echoed or lost.
        let mut out = child.stdout.take().unwrap();
        let mut said = Vec::new();
        let mut byte = [0];
        while !String::from_utf8_lossy(&said).contains("Passphrase for locked") {
            assert_eq!(out.read(&mut byte).unwrap(), 1, "{}", String::from_utf8_lossy(&said));
            said.push(byte[0]);
        }
        std::thread::sleep(std::time::Duration::from_millis(300));
        child.stdin.as_mut().unwrap().write_all(format!("{passphrase}\n").as_bytes()).unwrap();
        let mut rest = String::new();
        out.read_to_string(&mut rest).unwrap();
        assert_eq!(rest.matches("Passphrase").count(), 0, "it asks once: {rest}");
        (child.wait().unwrap().code(), rest)
    };
    let (code, said) = type_in("wrong");
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("the passphrase is wrong"), "{said}");
    let (code, said) = type_in("open sesame");
    assert_eq!(code, Some(0), "{said}");
    let public = std::fs::read_to_string(place.path("locked.pub")).unwrap();
    std::fs::write(place.path("allowed"), format!("locked@example.org {public}")).unwrap();
    assert!(by_openssh(&place, "locked.sig", "locked").status.success());
}

#[test]
fn what_does_not_hold_is_said_and_ends_with_5() {
    if !keygen() {
        return;
    }
    let place = ground();
    place.run(&["sign", "sweep.herd", "--key", "ed25519"]);
    assert_eq!(by_us(&place, "sweep.herd.sig", "ed25519").status.code(), Some(0));
    let good = std::fs::read_to_string(place.path("allowed")).unwrap();
    let other_namespace = ssh_keygen(&place, &["-Y", "sign", "-n", "file", "-f", "ed25519", "allowed"], None);
    assert!(other_namespace.status.success());
    std::fs::write(place.path("none.sig"), "nothing\n").unwrap();
    compromised().row(1, 0, "path=/x|command=y").write(&place.path("other.herd"));
    std::fs::copy(place.path("sweep.herd.sig"), place.path("other.herd.sig")).unwrap();
    let expired = good.replace("namespaces", "valid-before=\"20200101Z\",namespaces");
    let elsewhere = good.replace("herdiff@bundle", "git");
    for (name, text) in [
        ("expired", expired),
        ("elsewhere", elsewhere),
        ("odd", "ada nonsense\n".into()),
        ("nobody", String::new()),
    ] {
        std::fs::write(place.path(name), text).unwrap();
    }
    let mut all = String::new();
    for line in [
        "verify sweep.herd",
        "verify sweep.herd --allowed-signers allowed -I ed25519@example.org",
        "verify other.herd --allowed-signers allowed -I ed25519@example.org",
        "verify sweep.herd --allowed-signers allowed -I rsa@example.org",
        "verify sweep.herd --allowed-signers expired -I ed25519@example.org",
        "verify sweep.herd --allowed-signers elsewhere -I ed25519@example.org",
        "verify sweep.herd --allowed-signers nobody -I ed25519@example.org",
        "verify sweep.herd --allowed-signers odd -I ed25519@example.org",
        "verify sweep.herd --signature allowed.sig --allowed-signers allowed -I ed25519@example.org",
        "verify sweep.herd --signature none.sig --allowed-signers allowed -I ed25519@example.org",
        "verify sweep.herd --signature gone.sig --allowed-signers allowed -I ed25519@example.org",
        "verify sweep.herd --signature sweep.herd.sig",
        "verify sweep.herd --allowed-signers allowed",
        "sign sweep.herd --key ed25519",
        "sign sweep.herd --key allowed",
        "sign sweep.herd --key gone",
        "sign sweep.herd",
        "sign allowed --key ed25519",
    ] {
        all +=
            &format!("$ herdiff {line}\n{}\n", place.herdiff(&line.split_whitespace().collect::<Vec<_>>()));
    }
    insta::with_settings!({filters => vec![
        (r"seal    [0-9a-f]{64}", "seal    [seal]"),
        (r"SHA256:[A-Za-z0-9+/]{43}", "SHA256:[fingerprint]"),
    ]}, {
        assert_snapshot!(all);
    });
}

#[test]
fn no_changed_byte_goes_unseen() {
    if !keygen() {
        return;
    }
    let place = ground();
    place.run(&["sign", "sweep.herd", "--key", "ed25519"]);
    let whole = std::fs::read(place.path("sweep.herd")).unwrap();
    // Also what the frames do not hold together: bytes after the end.
    for changed in [[&whole[..], b"x"].concat(), whole[..whole.len() - 1].to_vec(), {
        let mut changed = whole.clone();
        changed[20] ^= 1;
        changed
    }] {
        std::fs::write(place.path("sweep.herd"), changed).unwrap();
        assert_eq!(by_us(&place, "sweep.herd.sig", "ed25519").status.code(), Some(5));
    }
}
