//! Passwords and questions, and servers that want more than one thing.

use crate::harness::*;
use herdiff_collector::ssh::{HostKeyPolicy, Secret};
use herdiff_collector::sweep::SweepConfig;
use herdiff_model::outcome::HostOutcomeKind as Kind;
use russh::keys::PrivateKey;
use russh::server::{self, Auth, Response, Server as _};
use russh::{MethodKind, MethodSet};
use std::borrow::Cow;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use zeroize::Zeroizing;

const RIGHT: &str = "correct horse";

/// What a server wants of us, in this order.
#[derive(Clone)]
struct Wanting {
    steps: &'static [MethodKind],
    /// What it asks, one after the other; the first wants the password.
    questions: &'static [(&'static str, bool)],
    passwords: Arc<AtomicUsize>,
    logins: Arc<Mutex<Vec<String>>>,
    done: usize,
    asked: usize,
}

impl Wanting {
    async fn serve(
        keys: &Keys,
        steps: &'static [MethodKind],
        questions: &'static [(&'static str, bool)],
    ) -> (u16, Self) {
        let key = PrivateKey::from_openssh(std::fs::read(keys.path("host")).unwrap()).unwrap();
        let config = server::Config {
            keys: vec![key],
            auth_rejection_time: std::time::Duration::ZERO,
            methods: MethodSet::from(steps.get(..1).unwrap()),
            ..server::Config::default()
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let mut server =
            Self { steps, questions, passwords: Arc::default(), logins: Arc::default(), done: 0, asked: 0 };
        let copy = server.clone();
        tokio::spawn(async move { server.run_on_socket(Arc::new(config), &listener).await });
        (port, copy)
    }

    fn judge(&mut self, kind: MethodKind, right: bool) -> Auth {
        let expected = self.steps.get(self.done) == Some(&kind);
        if expected && right {
            self.done += 1;
            self.logins.lock().unwrap().push(<&str>::from(&kind).to_owned());
            if self.done == self.steps.len() {
                return Auth::Accept;
            }
        }
        let next = self.steps.get(self.done).map(|&kind| MethodSet::from(&[kind][..]));
        Auth::Reject { proceed_with_methods: next, partial_success: expected && right }
    }
}

impl server::Server for Wanting {
    type Handler = Self;
    fn new_client(&mut self, _: Option<std::net::SocketAddr>) -> Self {
        self.clone()
    }
}

impl server::Handler for Wanting {
    type Error = russh::Error;

    async fn auth_password(&mut self, user: &str, password: &str) -> Result<Auth, russh::Error> {
        self.passwords.fetch_add(1, Relaxed);
        if user == "nobody-answers" {
            std::future::pending::<()>().await;
        }
        Ok(self.judge(MethodKind::Password, password == RIGHT))
    }

    async fn auth_publickey(
        &mut self,
        _: &str,
        _: server::VerifiedPublicKey<'_>,
    ) -> Result<Auth, russh::Error> {
        Ok(self.judge(MethodKind::PublicKey, true))
    }

    async fn auth_keyboard_interactive(
        &mut self,
        _: &str,
        _: &str,
        response: Option<Response<'_>>,
    ) -> Result<Auth, russh::Error> {
        if let Some(response) = response {
            let answers: Vec<Vec<u8>> = response.map(|answer| answer.to_vec()).collect();
            self.passwords.fetch_add(answers.len(), Relaxed);
            if answers.first().is_some_and(|answer| answer != RIGHT.as_bytes()) {
                return Ok(self.judge(MethodKind::KeyboardInteractive, false));
            }
        }
        let Some(&(prompt, echo)) = self.questions.get(self.asked) else {
            return Ok(self.judge(MethodKind::KeyboardInteractive, true));
        };
        self.asked += 1;
        Ok(Auth::Partial {
            name: Cow::Borrowed("name"),
            instructions: Cow::Borrowed("\x1b[2J"),
            prompts: Cow::Owned(vec![(Cow::Borrowed(prompt), echo)]),
        })
    }
}

fn with_password(keys: &Keys, ports: &[u16], password: &str) -> SweepConfig {
    let mut config = keys.config(ports);
    config.ssh.password = Some(Secret::new(Zeroizing::new(password.to_owned())));
    config.deadlines.start = std::time::Duration::from_millis(300);
    config
}

/// Whether the login went through: the servers here run nothing.
fn in_session(swept: &Swept, host: &str) -> bool {
    swept.events.iter().any(|event| event.ends_with(" session")) && swept.kind(host) != Kind::AuthFailed
}

#[tokio::test(flavor = "multi_thread")]
async fn passwords_questions_and_several_steps() {
    let keys = Keys::new();
    use MethodKind::{KeyboardInteractive, Password, PublicKey};
    for steps in [
        &[Password][..],
        &[KeyboardInteractive],
        &[PublicKey, Password],
        &[PublicKey, KeyboardInteractive],
        &[Password, PublicKey],
    ] {
        let (port, server) = Wanting::serve(&keys, steps, &[("Password: ", false)]).await;
        let config = with_password(&keys, &[port], RIGHT);
        let shown = format!("{config:?}");
        let swept = sweep(vec![target("a", port)], config).await;
        let outcome = &swept.visit("a").outcome;
        assert!(in_session(&swept, "a"), "{steps:?}: {outcome:?}");
        assert_eq!(server.logins.lock().unwrap().len(), steps.len());
        let visit = format!("{:?} {:?}", swept.visit("a"), swept.events);
        assert!(!visit.contains(RIGHT) && !shown.contains(RIGHT));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_wants_more_than_we_have_says_what() {
    let keys = Keys::new();
    use MethodKind::{KeyboardInteractive, Password, PublicKey};
    let (port, _) = Wanting::serve(&keys, &[PublicKey, Password], &[]).await;
    let swept = sweep(vec![target("a", port)], keys.config(&[port])).await;
    let outcome = &swept.visit("a").outcome;
    assert_eq!(outcome.kind, Kind::AuthFailed);
    assert!(outcome.detail.contains("accepted; the server wants password too"), "{outcome:?}");

    let questions = &[("Password: ", false), ("One-time \x1b[31mcode: ", false)];
    let (port, _) = Wanting::serve(&keys, &[KeyboardInteractive], questions).await;
    let swept = sweep(vec![target("a", port)], with_password(&keys, &[port], RIGHT)).await;
    let outcome = &swept.visit("a").outcome;
    assert_eq!(outcome.kind, Kind::AuthFailed);
    assert!(
        outcome.detail.contains("the server asks ") && outcome.detail.contains("nobody is there"),
        "{outcome:?}"
    );
    assert!(!outcome.detail.contains('\x1b'), "{outcome:?}");

    // What is typed would be shown: that is no question for a password.
    let (port, server) = Wanting::serve(&keys, &[KeyboardInteractive], &[("Password: ", true)]).await;
    let swept = sweep(vec![target("a", port)], with_password(&keys, &[port], RIGHT)).await;
    assert_eq!((swept.kind("a"), server.passwords.load(Relaxed)), (Kind::AuthFailed, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_not_tried_on_the_whole_fleet() {
    let keys = Keys::new();
    let (port, server) = Wanting::serve(&keys, &[MethodKind::Password], &[]).await;
    let targets = || (0..40).map(|n| target(&format!("h{n}"), port)).collect::<Vec<_>>();
    let swept = sweep(targets(), with_password(&keys, &[port], "wrong")).await;
    assert_eq!(server.passwords.load(Relaxed), 3);
    let untried = swept
        .visits
        .values()
        .filter(|(visit, _)| visit.outcome.detail.contains("not tried: 3 hosts refused it"));
    assert_eq!(untried.count(), 37);
    assert!(swept.visits.values().all(|(visit, _)| visit.outcome.kind == Kind::AuthFailed));
    assert!(swept.visits.values().all(|(visit, _)| !format!("{visit:?}").contains("wrong")));
}

/// Before anybody has accepted it, a password is given to one host after the other. One that never answers must not cost the
/// others their time: they are done before it is given up.
#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_does_not_answer_does_not_keep_others_from_the_password() {
    let keys = Keys::new();
    let (port, server) = Wanting::serve(&keys, &[MethodKind::Password], &[]).await;
    let mut config = with_password(&keys, &[port], RIGHT);
    config.deadlines.authenticate = std::time::Duration::from_secs(20);
    // The silent one comes first.
    config.rate = Some(1);
    let mut silent = target("silent", port);
    silent.user = Some("nobody-answers".into());
    let swept = sweep(vec![silent, target("a", port), target("b", port)], config).await;
    assert!(in_session(&swept, "a") && in_session(&swept, "b"), "{:?}", swept.visit("a").outcome);
    assert_eq!((swept.kind("silent"), server.passwords.load(Relaxed)), (Kind::Timeout, 3));
    let done: Vec<&String> = swept.events.iter().filter(|event| event.ends_with("done")).collect();
    assert_eq!(done.last().unwrap().as_str(), "0 done", "{done:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn where_any_host_key_is_accepted_no_password_is_given() {
    let keys = Keys::new();
    let (port, server) = Wanting::serve(&keys, &[MethodKind::Password], &[]).await;
    let mut config = with_password(&keys, &[], RIGHT);
    config.ssh.host_keys = HostKeyPolicy::AcceptAny;
    let swept = sweep(vec![target("a", port)], config).await;
    assert_eq!((swept.kind("a"), server.passwords.load(Relaxed)), (Kind::AuthFailed, 0));
    // Nor to a host whose key is not the one that is known.
    let swept = sweep(vec![target("a", port)], with_password(&keys, &[], RIGHT)).await;
    assert_eq!((swept.kind("a"), server.passwords.load(Relaxed)), (Kind::HostKeyUnknown, 0));
}
