//! Logging in: keys one after the other, then a password; as many steps as the server wants, and none of them twice. A refusal
//! is never tried again, as it may lock an account.

use super::config::Settings;
use super::connect::{Connection, Reach};
use super::failure::Failure;
use super::keys::Candidate;
use super::password::{OTHERS_WAIT, Password, Turn};
use super::signer::FileSigner;
use crate::engine::Text;
use herdiff_model::outcome::{HostOutcomeKind, Phase};
use russh::client::{AuthResult, KeyboardInteractiveAuthResponse};
use russh::keys::agent::AgentIdentity;
use russh::keys::agent::client::AgentClient;
use russh::keys::{HashAlg, PrivateKeyWithHashAlg};
use russh::{MethodKind, MethodSet};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, timeout, timeout_at};

/// Rounds of questions that a server may ask in one go.
const MOST_QUESTIONS: usize = 4;

type Agent = AgentClient<tokio::net::UnixStream>;

/// What was tried at one server, and what it said.
#[derive(Default)]
struct Told {
    refused: Vec<String>,
    /// What it accepted, wanting more.
    accepted: Vec<String>,
    problems: Vec<String>,
    /// What it takes next; `None` until it has said so.
    offers: Option<MethodSet>,
}

/// One step of a login.
enum Step {
    Key(Candidate),
    /// Asks what the server takes.
    Nothing,
    Password,
    Questions,
}

impl Reach {
    /// Logs in. Jump hosts are given no password: their word must not open it to all others.
    pub(crate) async fn login(
        &self,
        connection: &mut Connection,
        to: &Settings,
        password: Option<&Password>,
    ) -> Result<(), Failure> {
        let mut password = password;
        let mut deadline = Instant::now() + self.deadlines.authenticate;
        let late = |_| Failure::timeout(Phase::Authenticate, self.deadlines.authenticate);
        let mut keys = VecDeque::from(self.keyring.candidates(to));
        let mut told = Told { problems: self.keyring.problems(to), ..Told::default() };
        let mut agent = None;
        while let Some(step) = told.next(&mut keys, password.is_some()) {
            let first = told.offers.is_none();
            let key = if let Step::Key(key) = &step { Some(key.clone()) } else { None };
            let (name, result) = match step {
                Step::Key(key) => {
                    let trying = self.try_key(connection, &mut agent, to, &key);
                    (key.name(), timeout_at(deadline, trying).await.map_err(late)?)
                }
                Step::Nothing => {
                    let asking = connection.handle.authenticate_none(&to.user);
                    let result = timeout_at(deadline, asking).await.map_err(late)?;
                    ("no key".to_owned(), result.map_err(|error| error.to_string()))
                }
                // One try with a password, whichever way: both end at the same counter.
                Step::Password | Step::Questions => {
                    let questions = matches!(step, Step::Questions);
                    let given = password.take();
                    let result = match turn_of(given, &mut deadline).await {
                        Err(why) => Err(why),
                        Ok((given, turn)) => {
                            let trying = try_password(connection, to, given, turn, questions);
                            timeout_at(deadline, trying).await.map_err(late)?
                        }
                    };
                    ("the password".to_owned(), result)
                }
            };
            if let Some(ended) = connection.ended().await {
                if let Some(overdrawn) = connection.allowance.failure(Phase::Authenticate) {
                    return Err(overdrawn);
                }
                return Err(match ended {
                    Ended::TooMany(why) => refused(why),
                    Ended::Lost(why) => Failure::lost(Phase::Authenticate, why),
                });
            }
            match result {
                Ok(AuthResult::Success) => return Ok(()),
                Ok(AuthResult::Failure { remaining_methods, partial_success }) => {
                    let takes_keys = remaining_methods.contains(&MethodKind::PublicKey);
                    if partial_success {
                        told.accepted.push(name);
                    } else if let Some(key) = key.filter(|_| first && !takes_keys) {
                        // It did not look at the key: it wants something else first.
                        keys.push_front(key);
                    } else if told.offers.is_some() || name != "no key" {
                        told.refused.push(name);
                    }
                    told.offers = Some(remaining_methods);
                }
                Err(why) => told.problems.push(format!("{name}: {why}")),
            }
        }
        Err(refused(told.why(&to.user)))
    }

    async fn try_key(
        &self,
        connection: &mut Connection,
        agent: &mut Option<Agent>,
        to: &Settings,
        key: &Candidate,
    ) -> Result<AuthResult, String> {
        let user = to.user.as_str();
        match key {
            Candidate::File(_, key) => {
                let hash = rsa_hash(connection, key.algorithm().is_rsa()).await;
                let key = PrivateKeyWithHashAlg::new(Arc::clone(key), hash);
                connection.handle.authenticate_publickey(user, key).await.map_err(|error| error.to_string())
            }
            Candidate::Certificate(_, key, certificate) => {
                let hash = rsa_hash(connection, key.algorithm().is_rsa()).await;
                let (handle, mut signer) = (&mut connection.handle, FileSigner(Arc::clone(key)));
                let certificate = (**certificate).clone();
                let result = handle.authenticate_certificate_with(user, certificate, hash, &mut signer).await;
                result.map_err(|error| error.to_string())
            }
            Candidate::Agent(identity) => self.try_agent(connection, agent, to, identity).await,
        }
    }

    async fn try_agent(
        &self,
        connection: &mut Connection,
        agent: &mut Option<AgentClient<tokio::net::UnixStream>>,
        to: &Settings,
        identity: &AgentIdentity,
    ) -> Result<AuthResult, String> {
        let client = match agent {
            Some(client) => client,
            None => {
                let socket = to.agent.as_deref().ok_or("there is no agent")?;
                let mut client = AgentClient::connect_uds(socket).await.map_err(|error| error.to_string())?;
                if let Some(binding) = connection.handle.agent_session_binding() {
                    // Only keys that are bound to destinations need it, and only newer agents know it.
                    let _ = client.bind_session(binding, false).await;
                }
                agent.insert(client)
            }
        };
        let rsa = identity.public_key().algorithm().is_rsa();
        let hash = rsa_hash(connection, rsa).await;
        let (handle, user) = (&mut connection.handle, to.user.as_str());
        let result = match identity {
            AgentIdentity::PublicKey { key, .. } => {
                handle.authenticate_publickey_with(user, key.clone(), hash, client).await
            }
            AgentIdentity::Certificate { certificate, .. } => {
                handle.authenticate_certificate_with(user, certificate.clone(), hash, client).await
            }
        };
        result.map_err(|error| error.to_string())
    }
}

/// The right to give the password. What others take is not this host's time.
async fn turn_of<'p>(
    password: Option<&'p Password>,
    deadline: &mut Instant,
) -> Result<(&'p Password, Turn<'p>), String> {
    let password = password.ok_or("there is none")?;
    let asked = Instant::now();
    let turn = password.turn().await?;
    *deadline += asked.elapsed();
    Ok((password, turn))
}

/// Gives the password, once it is known not to be wrong everywhere.
async fn try_password(
    connection: &mut Connection,
    to: &Settings,
    password: &Password,
    mut turn: Turn<'_>,
    questions: bool,
) -> Result<AuthResult, String> {
    let result = {
        let giving = async {
            if questions {
                return answer_questions(connection, &to.user, password.secret()).await;
            }
            let result = connection.handle.authenticate_password(&to.user, password.secret()).await;
            result.map_err(|error| error.to_string())
        };
        tokio::pin!(giving);
        match timeout(OTHERS_WAIT, &mut giving).await {
            Ok(result) => result?,
            Err(_) => {
                turn.let_others_go_on();
                giving.await?
            }
        }
    };
    let accepted = !matches!(result, AuthResult::Failure { partial_success: false, .. });
    // A connection that is lost looks like a refusal, and is none.
    if accepted || !connection.handle.is_closed() {
        turn.ended(accepted);
    }
    Ok(result)
}

/// A server may ask anything. What is answered is one question whose answer is not shown: the password.
async fn answer_questions(
    connection: &mut Connection,
    user: &str,
    secret: &str,
) -> Result<AuthResult, String> {
    let failed = |error: russh::Error| error.to_string();
    let mut reply =
        connection.handle.authenticate_keyboard_interactive_start(user, None).await.map_err(failed)?;
    let mut given = false;
    for _ in 0..MOST_QUESTIONS {
        let prompts = match reply {
            KeyboardInteractiveAuthResponse::Success => return Ok(AuthResult::Success),
            KeyboardInteractiveAuthResponse::Failure { remaining_methods, partial_success } => {
                return Ok(AuthResult::Failure { remaining_methods, partial_success });
            }
            KeyboardInteractiveAuthResponse::InfoRequest { prompts, .. } => prompts,
        };
        let answers = match prompts.as_slice() {
            [] => Vec::new(),
            [prompt] if !prompt.echo && !given => {
                given = true;
                vec![secret.to_owned()]
            }
            [prompt, ..] => {
                let Text(asked) = Text::of(prompt.prompt.trim().as_bytes());
                return Err(format!("the server asks {asked:?}, and nobody is there to answer"));
            }
        };
        reply = connection.handle.authenticate_keyboard_interactive_respond(answers).await.map_err(failed)?;
    }
    Err("the server does not stop to ask".to_owned())
}

impl Told {
    fn next(&self, keys: &mut VecDeque<Candidate>, password: bool) -> Option<Step> {
        let takes = |kind| self.offers.as_ref().is_none_or(|offers| offers.contains(&kind));
        if takes(MethodKind::PublicKey)
            && let Some(key) = keys.pop_front()
        {
            return Some(Step::Key(key));
        }
        match &self.offers {
            None if password => Some(Step::Nothing),
            None => None,
            Some(_) if password && takes(MethodKind::Password) => Some(Step::Password),
            Some(_) if password && takes(MethodKind::KeyboardInteractive) => Some(Step::Questions),
            Some(_) => None,
        }
    }

    /// Why all that came to nothing.
    fn why(&self, user: &str) -> String {
        let offers = self.offers.as_ref().map(names);
        let takes_keys = self.offers.as_ref().is_none_or(|offers| offers.contains(&MethodKind::PublicKey));
        let mut why = match (self.refused.as_slice(), self.accepted.as_slice()) {
            ([], []) => {
                format!(
                    "no key to log in as {user} with: name one with --identity, or ssh-add it to an agent"
                )
            }
            ([], accepted) => format!("{user} with {}: accepted", accepted.join(", ")),
            (refused, []) => format!("{user} was refused with {}", refused.join(", ")),
            (refused, accepted) => {
                format!(
                    "{user} with {}: accepted, but refused with {}",
                    accepted.join(", "),
                    refused.join(", ")
                )
            }
        };
        match offers {
            Some(offers) if !self.accepted.is_empty() => why += &format!("; the server wants {offers} too"),
            Some(offers) if !takes_keys => why += &format!("; the server takes no keys, but {offers}"),
            _ => {}
        }
        for problem in &self.problems {
            why += &format!("; {problem}");
        }
        why
    }
}

fn refused(why: String) -> Failure {
    Failure::new(HostOutcomeKind::AuthFailed, Phase::Authenticate, why)
}

/// How a connection ended that we did not end.
enum Ended {
    TooMany(String),
    Lost(String),
}

impl Connection {
    /// `None` while it stands. A connection that ends during the login looks to russh's caller as a refusal.
    async fn ended(&mut self) -> Option<Ended> {
        if !self.handle.is_closed() {
            return None;
        }
        // The reason is noted when the connection's task ends, which is now.
        let _ = timeout(Duration::from_secs(1), &mut self.handle).await;
        let why = self.shared.lock().ended.clone().unwrap_or_else(|| "without a word".to_owned());
        Some(if why.contains("Too many authentication failures") {
            Ended::TooMany(format!("{why}: give the right key with --identity"))
        } else {
            Ended::Lost(why)
        })
    }
}

/// SHA-1 signatures are not worth offering; where the server does not say what it takes, SHA-512 it is.
async fn rsa_hash(connection: &Connection, rsa: bool) -> Option<HashAlg> {
    if !rsa {
        return None;
    }
    let best = connection.handle.best_supported_rsa_hash().await.ok().flatten().flatten();
    Some(best.unwrap_or(HashAlg::Sha512))
}

fn names(methods: &MethodSet) -> String {
    let names: Vec<&str> = methods.iter().map(<&str>::from).collect();
    if names.is_empty() { "nothing".to_owned() } else { names.join(" and ") }
}
