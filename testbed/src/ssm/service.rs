//! The operations, with the limits that AWS has.

use super::command::{Command, Invocation, Order};
use super::http::Request;
use super::{Behaviour, Called, Instance, Rules, run};
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

const MOST_INSTANCES: usize = 50;
/// A document has 64 KB.
const MOST_PARAMETERS: usize = 64 << 10;
/// Requests that are kept for looking into.
const MOST_HEARD: usize = 64 << 20;

#[derive(Debug)]
pub(super) struct Service {
    instances: BTreeMap<String, Instance>,
    rules: Rules,
    stop: CancellationToken,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    commands: HashMap<String, Command>,
    calls: Vec<Called>,
    heard: Vec<u8>,
    complaints: Vec<String>,
}

/// `__type` and message of a refusal.
type Refusal = (&'static str, String);

impl Service {
    pub(super) fn new(instances: BTreeMap<String, Instance>, rules: Rules, stop: CancellationToken) -> Self {
        Self { instances, rules, stop, state: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn upstream(&self) -> Option<SocketAddr> {
        self.rules.upstream
    }

    pub(super) fn calls(&self) -> Vec<Called> {
        self.state().calls.clone()
    }

    pub(super) fn heard(&self) -> Vec<u8> {
        self.state().heard.clone()
    }

    pub(super) fn complaints(&self) -> Vec<String> {
        self.state().complaints.clone()
    }

    fn complain(&self, what: String) {
        self.state().complaints.push(what);
    }

    pub(super) fn hear(&self, request: &Request) {
        let mut state = self.state();
        if state.heard.len() < MOST_HEARD {
            state.heard.extend_from_slice(request.line.as_bytes());
            for (name, value) in &request.headers {
                state.heard.extend_from_slice(format!("\n{name}: {value}").as_bytes());
            }
            state.heard.push(b'\n');
            state.heard.extend_from_slice(&request.body);
        }
    }

    /// A status and a body.
    pub(super) async fn answer(self: &Arc<Self>, operation: &str, request: &Request) -> (u16, String) {
        let refuse = |status, (kind, message): Refusal| {
            (status, json!({"__type": kind, "message": message}).to_string())
        };
        let throttled = {
            let mut state = self.state();
            let number = state.calls.len() as u64 + 1;
            let throttled = self.rules.throttle_every.is_some_and(|every| number.is_multiple_of(every));
            state.calls.push(Called { at: Instant::now(), operation: operation.to_owned(), throttled });
            throttled
        };
        if let Err(why) = signed(request) {
            self.complain(format!("{operation}: {why}"));
            return refuse(403, ("MissingAuthenticationTokenException", why));
        }
        if throttled {
            return refuse(400, ("ThrottlingException", "Rate exceeded".to_owned()));
        }
        let Ok(body) = serde_json::from_slice::<Value>(&request.body) else {
            return refuse(400, ("SerializationException", String::new()));
        };
        let answer = match operation {
            "SendCommand" => self.send(&body),
            "ListCommandInvocations" => self.list(&body),
            "GetCommandInvocation" => self.get(&body),
            "CancelCommand" => self.cancel(&body),
            "DescribeInstanceInformation" => self.describe(&body),
            _ => Err(("UnknownOperationException", operation.to_owned())),
        };
        match answer {
            Ok(answer) => (200, answer.to_string()),
            Err(refusal) => refuse(400, refusal),
        }
    }

    fn describe(&self, body: &Value) -> Result<Value, Refusal> {
        let most = within(body, "MaxResults", 5, 50)?;
        let wanted = body.pointer("/Filters/0/Values").map(texts).unwrap_or_default();
        if body.pointer("/Filters/0/Key").is_none_or(|key| key != "InstanceIds")
            || wanted.is_empty()
            || wanted.len() > 100
        {
            return Err(("InvalidFilterKey", "1 to 100 InstanceIds".to_owned()));
        }
        let known = wanted.iter().filter_map(|id| {
            let behaviour = self.instances.get(id)?.behaviour;
            let ping = if behaviour == Behaviour::Offline { "ConnectionLost" } else { "Online" };
            let platform = if behaviour == Behaviour::Windows { "Windows" } else { "Linux" };
            (behaviour != Behaviour::Unmanaged).then(|| {
                json!({"InstanceId": id, "PingStatus": ping, "PlatformType": platform, "AgentVersion": "3.3.0.0",
                       "LastPingDateTime": 1_550_501_835.178})
            })
        });
        Ok(page(body, "InstanceInformationList", known.collect(), most))
    }

    fn send(self: &Arc<Self>, body: &Value) -> Result<Value, Refusal> {
        let invalid = |why: &str| Err(("ValidationException", why.to_owned()));
        let ids = texts(&body["InstanceIds"]);
        if ids.is_empty() || ids.len() > MOST_INSTANCES {
            return invalid("instanceIds: Member must have length less than or equal to 50");
        }
        if body["DocumentName"] != "AWS-RunShellScript" {
            return Err(("InvalidDocument", String::new()));
        }
        if body["Comment"].as_str().is_some_and(|comment| comment.chars().count() > 100) {
            return invalid("comment: Member must have length less than or equal to 100");
        }
        let parameters = &body["Parameters"];
        if parameters.to_string().len() > MOST_PARAMETERS {
            return invalid("the parameters are too long");
        }
        let lines = texts(&parameters["commands"]);
        if lines.iter().any(|line| line.contains("{{")) {
            return Err(("InvalidParameters", "parameter names in the commands".to_owned()));
        }
        let execution = texts(&parameters["executionTimeout"]).first().cloned().unwrap_or("3600".to_owned());
        let execution = execution.parse().ok().filter(|seconds| (5..=172_800).contains(seconds));
        let Some(execution) = execution else {
            return Err(("InvalidParameters", "executionTimeout".to_owned()));
        };
        let unfit = |id: &&String| {
            let behaviour = self.instances.get(*id).map(|instance| instance.behaviour);
            matches!(behaviour, None | Some(Behaviour::Unmanaged | Behaviour::Offline | Behaviour::Leaving))
        };
        let unfit: Vec<_> = ids.iter().filter(unfit).cloned().collect();
        if !unfit.is_empty() {
            let ids = unfit.join(", ");
            return Err((
                "InvalidInstanceId",
                format!("Instances [[{ids}]] not in a valid state for account 123456789012"),
            ));
        }
        let order = Order {
            script: format!("{}\n", lines.join("\n")),
            delivery: Duration::from_secs(within(body, "TimeoutSeconds", 30, 2_592_000)? as u64),
            execution: Duration::from_secs(execution),
            concurrency: body["MaxConcurrency"].as_str().and_then(|n| n.parse().ok()).unwrap_or(50),
            errors_end: body["MaxErrors"] != "100%",
        };
        let mut state = self.state();
        let id = format!("00000000-0000-4000-8000-{:012}", state.commands.len() + 1);
        let command = Command {
            sent: Instant::now(),
            cancel: self.stop.child_token(),
            invocations: ids.iter().map(|id| (id.clone(), Invocation::pending())).collect(),
        };
        let cancel = command.cancel.clone();
        state.commands.insert(id.clone(), command);
        drop(state);
        let shared = Arc::new((order, Semaphore::new(0)));
        shared.1.add_permits(shared.0.concurrency);
        for instance in &ids {
            tokio::spawn(Arc::clone(self).carry_out(
                id.clone(),
                instance.clone(),
                Arc::clone(&shared),
                cancel.clone(),
            ));
        }
        Ok(
            json!({"Command": {"CommandId": id, "Status": "Pending", "StatusDetails": "Pending", "InstanceIds": ids,
            "TargetCount": ids.len(), "MaxConcurrency": "50", "MaxErrors": body["MaxErrors"]}}),
        )
    }

    fn set(&self, command: &str, id: &str, invocation: Invocation) {
        if let Some(known) = self.state().commands.get_mut(command).and_then(|c| c.invocations.get_mut(id)) {
            *known = invocation;
        }
    }

    async fn carry_out(
        self: Arc<Self>,
        command: String,
        id: String,
        shared: Arc<(Order, Semaphore)>,
        cancel: CancellationToken,
    ) {
        let (order, turns) = (&shared.0, &shared.1);
        let Some(instance) = self.instances.get(&id) else { return };
        let stands = |status, details| Invocation { status, details, ..Invocation::pending() };
        let Ok(_turn) = turns.acquire().await else { return };
        let ended = self.state().commands.get(&command).is_some_and(|command| {
            order.errors_end
                && command.invocations.values().any(|one| one.is_over() && one.status != "Success")
        });
        let quick = Duration::from_millis(150);
        let end = match instance.behaviour {
            _ if cancel.is_cancelled() => stands("Cancelled", "Cancelled"),
            _ if ended => stands("Failed", "Terminated"),
            Behaviour::Undeliverable => {
                sleep(quick).await;
                stands("Failed", "Undeliverable")
            }
            Behaviour::Terminated => {
                sleep(quick).await;
                stands("Failed", "Terminated")
            }
            Behaviour::Deaf => {
                self.set(&command, &id, stands("Delayed", "Delayed"));
                tokio::select! {
                    // Thirty seconds at least would be long for a test; the words are what counts.
                    () = sleep(order.delivery / 30) => stands("TimedOut", "Delivery Timed Out"),
                    () = cancel.cancelled() => stands("Cancelled", "Cancelled"),
                }
            }
            behaviour => {
                if behaviour == Behaviour::Slow {
                    self.set(&command, &id, stands("Delayed", "Delayed"));
                    sleep(Duration::from_millis(1500)).await;
                }
                self.set(&command, &id, stands("InProgress", "In Progress"));
                let kill_after = (behaviour == Behaviour::Killed).then_some(Duration::ZERO);
                let mut end = run::run(&id, instance, order, &cancel, kill_after).await;
                if !matches!(end.code, -1..=1) {
                    self.complain(format!("{id}: the script ended with {}", end.code));
                }
                if behaviour == Behaviour::Babbling {
                    end.output = "<html>It works!</html>".repeat(40);
                }
                end
            }
        };
        self.set(&command, &id, end);
    }

    /// A command that clients may know of by now.
    fn known<T>(
        &self,
        body: &Value,
        unknown: &'static str,
        look: impl FnOnce(&str, &Command) -> T,
    ) -> Result<T, Refusal> {
        let id = body["CommandId"].as_str().unwrap_or_default();
        let state = self.state();
        let command = state.commands.get(id).filter(|command| command.sent.elapsed() >= self.rules.hidden);
        command.map(|command| look(id, command)).ok_or((unknown, String::new()))
    }

    fn list(&self, body: &Value) -> Result<Value, Refusal> {
        let most = within(body, "MaxResults", 1, 50)?;
        let all = self.known(body, "InvalidCommandId", |id, command| {
            command.invocations.iter().map(|(instance, one)| one.listed(id, instance)).collect()
        });
        // A command that is not known yet has no invocations: that is no error.
        Ok(page(body, "CommandInvocations", all.unwrap_or_default(), most))
    }

    fn get(&self, body: &Value) -> Result<Value, Refusal> {
        let instance = body["InstanceId"].as_str().unwrap_or_default();
        let told = self.known(body, "InvocationDoesNotExist", |id, command| {
            command.invocations.get(instance).map(|one| one.told(id, instance))
        })?;
        told.ok_or(("InvocationDoesNotExist", String::new()))
    }

    fn cancel(&self, body: &Value) -> Result<Value, Refusal> {
        self.known(body, "InvalidCommandId", |_, command| command.cancel.cancel())?;
        Ok(json!({}))
    }
}

/// Whether a request has all that a signature needs.
fn signed(request: &Request) -> Result<(), String> {
    let header = request.header("authorization").ok_or("Missing Authentication Token")?;
    let rest = header.strip_prefix("AWS4-HMAC-SHA256 ").ok_or("not AWS4-HMAC-SHA256")?;
    let field = |name: &str| {
        let mut fields = rest.split(',').map(str::trim);
        fields.find_map(|field| field.strip_prefix(name)?.strip_prefix('=')).ok_or(format!("no {name}"))
    };
    let scope: Vec<_> = field("Credential")?.split('/').collect();
    let [_, day, _, service, end] = scope.as_slice() else {
        return Err("a scope without its five parts".into());
    };
    let date = request.header("x-amz-date").ok_or("no X-Amz-Date")?;
    let names = field("SignedHeaders")?;
    let has_all =
        ["host", "x-amz-date", "x-amz-target"].iter().all(|name| names.split(';').any(|n| n == *name));
    let hex = field("Signature")?;
    if !date.starts_with(day) || *service != "ssm" || *end != "aws4_request" || !has_all {
        return Err(format!("a signature for something else: {header}"));
    }
    match hex.len() == 64 && hex.bytes().all(|b| b.is_ascii_hexdigit()) {
        true => Ok(()),
        false => Err("a signature that is none".into()),
    }
}

fn texts(value: &Value) -> Vec<String> {
    value
        .as_array()
        .map_or(Vec::new(), |all| all.iter().filter_map(|one| one.as_str().map(str::to_owned)).collect())
}

fn within(body: &Value, name: &str, least: i64, most: i64) -> Result<usize, Refusal> {
    let given = body[name].as_i64().unwrap_or(most.min(3600));
    match usize::try_from(given) {
        Ok(value) if (least..=most).contains(&given) => Ok(value),
        _ => Err(("ValidationException", format!("{name}: between {least} and {most}"))),
    }
}

/// A part of a list, small, so that clients have to ask for the next.
fn page(body: &Value, name: &str, all: Vec<Value>, most: usize) -> Value {
    let from = body["NextToken"].as_str().and_then(|token| token.parse().ok()).unwrap_or(0usize);
    let most = most.min(20);
    let part: Vec<_> = all.iter().skip(from).take(most).cloned().collect();
    let mut answer = json!({ name: part });
    if from + most < all.len() {
        let next = (from + most).to_string();
        answer.as_object_mut().map(|answer| answer.insert("NextToken".to_owned(), next.into()));
    }
    answer
}
