//! From targets to settings: asks `ssh -G`, once for all hosts that it cannot tell apart, and follows jump hosts.

use super::answer::is_about;
use super::classes::Classes;
use super::tokens::Tokens;
use super::{Algorithms, Answer, OpenSsh, Proxy, Settings, Strict};
use crate::inventory::{Target, parse_host};
use crate::ssh::SshConfig;
use crate::sweep::SweepError;
use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;
use tokio::process::Command;
use tokio::task::JoinSet;

/// A chain of jump hosts that is longer goes in a circle.
const MOST_JUMPS: usize = 8;

/// `ssh -G` reads files; a `Match exec` may take longer.
const PATIENCE: Duration = Duration::from_secs(30);

/// Answers that are kept apart: who asks, and as whom.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Question {
    host: String,
    user: Option<String>,
    port: Option<u16>,
}

/// The settings of all targets, in their order, and what the reader should know.
pub(crate) struct Routes {
    pub(crate) of_targets: Vec<Arc<Settings>>,
    /// The hosts in between.
    pub(crate) jumps: Vec<Arc<Settings>>,
    pub(crate) notes: Vec<String>,
}

/// Finds out how each target is reached.
pub(crate) async fn routes(targets: &[Target], config: &SshConfig) -> Result<Routes, SweepError> {
    let mut resolver = Resolver::new(config);
    let mut questions: Vec<Question> = targets.iter().map(|target| resolver.question(target)).collect();
    // All jump hosts that flags and inventory name, and then those that the answers name, until there are no new ones.
    let mut words = BTreeSet::new();
    for _ in 0..MOST_JUMPS {
        resolver.ask(&questions).await?;
        for (target, question) in targets.iter().zip(&questions) {
            words.extend(resolver.named_jump(target, question)?);
        }
        let before = words.len();
        words.extend(questions.iter().filter_map(|question| resolver.answer(question)?.proxy_jump.clone()));
        let hops = words.iter().flat_map(|word| word.split(',')).map(|hop| resolver.hop(hop));
        let hops: Vec<Question> = hops.collect::<Result<_, _>>()?;
        let known = questions.len();
        for hop in hops {
            if resolver.answer(&hop).is_none() && !questions.contains(&hop) {
                questions.push(hop);
            }
        }
        if before == words.len() && known == questions.len() {
            break;
        }
    }
    let of_targets = targets.iter().map(|target| resolver.settings_of(target)).collect::<Result<_, _>>()?;
    resolver.notes();
    let jumps = resolver.hops.into_values().collect();
    Ok(Routes { of_targets, jumps, notes: resolver.notes })
}

struct Resolver<'a> {
    config: &'a SshConfig,
    classes: Option<Classes>,
    answers: HashMap<Question, Arc<Answer>>,
    /// Jump hosts by the words that lead to them, each once: their connections are shared.
    hops: HashMap<String, Arc<Settings>>,
    /// What OpenSSH uses where nothing is configured.
    plain: Arc<Answer>,
    /// Where OpenSSH looks for known hosts when nobody tells it.
    usual_known_hosts: Vec<PathBuf>,
    /// Files whose names cannot be filled in, and why.
    unexpanded: BTreeSet<String>,
    notes: Vec<String>,
}

impl<'a> Resolver<'a> {
    fn new(config: &'a SshConfig) -> Self {
        let classes = config
            .openssh
            .as_ref()
            .map(|openssh| Classes::read(&openssh.files, config.home.as_deref()))
            .filter(|classes| classes.found);
        let known_hosts = config.default_known_hosts.clone();
        let plain = Arc::new(Answer { known_hosts, ..Answer::default() });
        Self {
            config,
            classes,
            answers: HashMap::new(),
            hops: HashMap::new(),
            plain,
            usual_known_hosts: Vec::new(),
            unexpanded: BTreeSet::new(),
            notes: Vec::new(),
        }
    }

    fn question(&self, target: &Target) -> Question {
        let config = self.config;
        let user = target.user.as_ref().or(config.user.as_ref()).cloned();
        Question { host: target.address.clone(), user, port: target.port.or(config.port) }
    }

    fn answer(&self, question: &Question) -> Option<Arc<Answer>> {
        match &self.classes {
            None => Some(Arc::clone(&self.plain)),
            Some(_) => self.answers.get(question).cloned(),
        }
    }

    /// Asks what is not known yet: one host of each class, and where its answer is good for no other, those others too.
    async fn ask(&mut self, questions: &[Question]) -> Result<(), SweepError> {
        let (Some(classes), Some(openssh)) = (&self.classes, &self.config.openssh) else { return Ok(()) };
        if self.plain.ciphers.is_empty() {
            let nothing = Question { host: "none".into(), user: None, port: None };
            let without = OpenSsh { config: Some("none".into()), ..openssh.clone() };
            let plain = Answer::parse(&ask_ssh(&without, &nothing).await?);
            self.usual_known_hosts.clone_from(&plain.known_hosts);
            self.plain = Arc::new(Answer { known_hosts: self.plain.known_hosts.clone(), ..plain });
        }
        let mut alone = Vec::new();
        let mut groups: HashMap<_, Vec<&Question>> = HashMap::new();
        for question in questions.iter().filter(|question| !self.answers.contains_key(question)) {
            match classes.of(&question.host) {
                Some(class) => {
                    // A port that is given is the answer's port, and nothing else follows from it.
                    let port = question.port.map(|port| if classes.port_matters { port } else { 0 });
                    groups.entry((class, &question.user, port)).or_default().push(question)
                }
                None => alone.push(question.clone()),
            }
        }
        let groups: HashMap<Question, Vec<&Question>> =
            groups.into_values().filter_map(|members| Some(((*members.first()?).clone(), members))).collect();
        let told = ask_many(openssh, groups.keys().cloned().collect()).await?;
        let mut found = Vec::new();
        for (first, text) in told {
            let Some(members) = groups.get(&first) else { continue };
            if members.len() > 1 && is_about(&text, &first.host) {
                alone.extend(members.iter().skip(1).map(|&question| question.clone()));
                found.push((first, Answer::parse(&text)));
                continue;
            }
            let answer = Answer::parse(&text);
            let itself = answer.hostname == first.host;
            for &member in members {
                let mut answer = answer.clone();
                if itself {
                    answer.hostname.clone_from(&member.host);
                }
                found.push((member.clone(), answer));
            }
        }
        alone.sort_by(|a, b| a.host.cmp(&b.host));
        alone.dedup();
        let told = ask_many(openssh, alone).await?;
        found.extend(told.into_iter().map(|(question, text)| (question, Answer::parse(&text))));
        for (question, mut answer) in found {
            if let Some(jump) = answer.proxy_jump.take() {
                answer.proxy_jump = Some(self.jump_word(&jump, &question, &answer)?);
            }
            self.answers.insert(question, Arc::new(answer));
        }
        Ok(())
    }

    fn tokens<'s>(&'s self, question: &'s Question, answer: &'s Answer) -> Tokens<'s> {
        Tokens::of(self.config, &question.host, (question.user.as_deref(), question.port), answer)
    }

    /// Jump hosts, with the tokens that may be in their names.
    fn jump_word(&self, word: &str, question: &Question, answer: &Answer) -> Result<String, SweepError> {
        let expanded = self.tokens(question, answer).proxy(word);
        expanded.map_err(|why| SweepError::OpenSsh { why: format!("the jump host {word:?}: {why}") })
    }

    /// The jump hosts that flags or inventory name for a target.
    fn named_jump(&self, target: &Target, question: &Question) -> Result<Option<String>, SweepError> {
        let Some(word) = self.config.jump.as_deref().or(target.jump.as_deref()) else { return Ok(None) };
        let answer = self.answer(question).unwrap_or_else(|| Arc::clone(&self.plain));
        self.jump_word(word, question, &answer).map(Some)
    }

    fn settings_of(&mut self, target: &Target) -> Result<Arc<Settings>, SweepError> {
        let question = self.question(target);
        let answer = self.answer(&question).unwrap_or_else(|| Arc::clone(&self.plain));
        let named = self.named_jump(target, &question)?;
        let proxy = match (named.as_deref(), &answer.proxy_jump, &target.proxy_command, &answer.proxy_command)
        {
            (Some("none"), ..) => Proxy::Direct,
            (Some(word), ..) => self.jump(word, &question, 0)?,
            (None, _, Some(command), _) => Proxy::Command(command.clone()),
            (None, Some(word), None, _) => self.jump(word, &question, 0)?,
            (None, None, None, Some(command)) => Proxy::Command(command.clone()),
            (None, None, None, None) => Proxy::Direct,
        };
        Ok(Arc::new(self.settings(question, answer, proxy, target.identity.clone())?))
    }

    /// The last of a chain of jump hosts, such as `a,b`, that a host is behind.
    fn jump(&mut self, chain: &str, behind: &Question, depth: usize) -> Result<Proxy, SweepError> {
        let fail = |why: String| SweepError::OpenSsh { why };
        if depth > MOST_JUMPS {
            return Err(fail(format!("the jump hosts {chain:?} lead in a circle")));
        }
        let mut words: Vec<&str> = chain.split(',').map(str::trim).collect();
        let Some(last) = words.pop() else { return Ok(Proxy::Direct) };
        let question = self.hop(last)?;
        // A jump host that is configured for all hosts is not behind itself.
        if question.host.eq_ignore_ascii_case(&behind.host) && question.port == behind.port {
            return Ok(Proxy::Direct);
        }
        if let Some(settings) = self.hops.get(chain) {
            return Ok(Proxy::Jump(Arc::clone(settings)));
        }
        let answer = self.answer(&question).unwrap_or_else(|| Arc::clone(&self.plain));
        let proxy = match (words.is_empty(), &answer.proxy_jump, &answer.proxy_command) {
            (false, ..) => self.jump(&words.join(","), &question, depth + 1)?,
            (true, Some(more), _) => self.jump(more, &question, depth + 1)?,
            (true, None, Some(command)) => Proxy::Command(command.clone()),
            (true, None, None) => Proxy::Direct,
        };
        let settings = Arc::new(self.settings(question, answer, proxy, None)?);
        self.hops.insert(chain.to_owned(), Arc::clone(&settings));
        Ok(Proxy::Jump(settings))
    }

    /// One jump host as a word: `[user@]host[:port]`.
    fn hop(&self, word: &str) -> Result<Question, SweepError> {
        let fail = |why: String| SweepError::OpenSsh { why: format!("the jump host {word:?}: {why}") };
        let plain = word.trim().trim_start_matches("ssh://").trim_end_matches('/');
        let parsed = parse_host(plain).map_err(fail)?;
        let [host] = parsed.names.as_slice() else { return Err(fail("it is more than one host".into())) };
        Ok(Question { host: host.clone(), user: parsed.user, port: parsed.port })
    }

    fn settings(
        &mut self,
        question: Question,
        answer: Arc<Answer>,
        proxy: Proxy,
        own_identity: Option<PathBuf>,
    ) -> Result<Settings, SweepError> {
        let config = self.config;
        let Question { host: named, user, port } = question;
        let host = if answer.hostname.is_empty() { named.clone() } else { answer.hostname.clone() };
        let user = user.or_else(|| answer.user.clone()).unwrap_or_else(|| config.local_user.clone());
        let port = port.or(answer.port).unwrap_or(22);
        let jump = match &proxy {
            Proxy::Jump(via) => via.named.as_str(),
            Proxy::Direct | Proxy::Command(_) => "",
        };
        let tokens = Tokens { jump, ..Tokens::of(config, &named, (Some(&user), Some(port)), &answer) };
        let unexpanded = &mut self.unexpanded;
        let mut file = |option: &str, text: &String| match tokens.file(text) {
            Ok(file) => Some(file),
            Err(why) => {
                unexpanded.insert(format!("OpenSSH's `{option} {text}` is passed over: {why}"));
                None
            }
        };
        let mut identities: Vec<PathBuf> =
            answer.identity_files.iter().filter_map(|text| file("IdentityFile", text)).collect();
        let certificates =
            answer.certificate_files.iter().filter_map(|text| file("CertificateFile", text)).collect();
        let asked = !config.identities.is_empty();
        let chosen_identities = asked || answer.identity_files != self.plain.identity_files;
        if asked {
            // A key that was asked for is not followed by others that were not: servers count failed attempts.
            identities.clone_from(&config.identities);
        } else if self.classes.is_none() {
            identities.clone_from(&config.default_identities);
        }
        let agent = match answer.identity_agent.as_deref() {
            _ if asked => None,
            None | Some("SSH_AUTH_SOCK") => config.agent.clone(),
            Some("none") => None,
            Some(name) if name.starts_with('$') => config
                .variable
                .as_ref()
                .and_then(|variable| variable(name.trim_start_matches('$')))
                .map(PathBuf::from),
            // Of all files, this one's tokens `ssh -G` has filled in.
            Some(path) => Some(PathBuf::from(path)),
        };
        // A list of keys to refuse must not be passed over.
        let revoked_host_keys = match &answer.revoked_host_keys {
            None => None,
            Some(text) => Some(tokens.file(text).map_err(|why| SweepError::OpenSsh {
                why: format!("{named}: RevokedHostKeys {text}: {why}"),
            })?),
        };
        let own_identity = own_identity.map(|path| match (path.strip_prefix("~"), &config.home) {
            (Ok(rest), Some(home)) => home.join(rest),
            _ => path,
        });
        let known_hosts = match config.known_hosts.as_slice() {
            // OpenSSH takes the home directory from the password file, everybody else from the environment.
            [] if answer.known_hosts == self.usual_known_hosts => config.default_known_hosts.clone(),
            [] => answer.known_hosts.clone(),
            named => named.to_vec(),
        };
        let algorithms = Algorithms::configured(&answer, &self.plain)
            .map_err(|why| SweepError::OpenSsh { why: format!("{named}: {why}") })?;
        Ok(Settings {
            named,
            host,
            port,
            user,
            own_identity,
            identities,
            chosen_identities,
            certificates,
            agent,
            known_hosts,
            revoked_host_keys,
            algorithms,
            answer,
            proxy,
        })
    }

    fn notes(&mut self) {
        let mut unknown = BTreeSet::new();
        for answer in self.answers.values() {
            unknown.extend(answer.unknown.iter().cloned());
        }
        let lax = self.answers.values().filter(|answer| answer.strict == Strict::No).count();
        if lax > 0 {
            self.notes.push(
                "StrictHostKeyChecking no is taken as accept-new: keys of new hosts are added, changed ones are refused"
                    .to_owned(),
            );
        }
        let notes = unknown
            .into_iter()
            .map(|line| format!("OpenSSH's option `{line}` is not supported, passed over"));
        self.notes.extend(notes);
        self.notes.extend(self.unexpanded.iter().cloned());
    }
}

async fn ask_many(
    openssh: &OpenSsh,
    questions: Vec<Question>,
) -> Result<Vec<(Question, String)>, SweepError> {
    let at_once = std::thread::available_parallelism().map_or(2, usize::from) * 2;
    let mut waiting = questions.into_iter();
    let mut asking = JoinSet::new();
    let mut told = Vec::new();
    loop {
        while asking.len() < at_once
            && let Some(question) = waiting.next()
        {
            let openssh = openssh.clone();
            asking.spawn(async move {
                let text = ask_ssh(&openssh, &question).await?;
                Ok((question, text))
            });
        }
        match asking.join_next().await {
            None => return Ok(told),
            Some(Ok(answer)) => told.push(answer?),
            Some(Err(error)) => {
                return Err(SweepError::OpenSsh { why: format!("asking ssh failed: {error}") });
            }
        }
    }
}

async fn ask_ssh(openssh: &OpenSsh, question: &Question) -> Result<String, SweepError> {
    let fail = |why: String| SweepError::OpenSsh { why };
    let mut command = Command::new(&openssh.program);
    command.arg("-G");
    if let Some(config) = &openssh.config {
        command.arg("-F").arg(config);
    }
    if let Some(user) = &question.user {
        command.arg("-l").arg(user);
    }
    if let Some(port) = question.port {
        command.arg("-p").arg(port.to_string());
    }
    // Neither names nor users start with a dash: the inventory sees to that.
    command.arg("--").arg(&question.host).stdin(Stdio::null()).kill_on_drop(true);
    let program = openssh.program.display();
    let output = tokio::time::timeout(PATIENCE, command.output())
        .await
        .map_err(|_| fail(format!("`{program} -G {}` does not end", question.host)))?
        .map_err(|error| fail(format!("{program}: {error}")))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(fail(format!("`{program} -G {}` says: {}", question.host, said.trim())));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
