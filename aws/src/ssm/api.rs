//! The calls of Systems Manager that are needed, as types.

use crate::client::Client;
use crate::error::AwsError;
use serde::Deserialize;
use serde_json::{Value, json};
use std::time::Duration;

/// Instances in one command, and in one filter.
pub(super) const MOST_INSTANCES: usize = 50;

/// A command that is sent.
#[derive(Clone, Debug)]
pub(super) struct Command<'a> {
    pub(super) lines: &'a [String],
    /// How long an agent may take to fetch it.
    pub(super) delivery: Duration,
    /// How long the script may run.
    pub(super) execution: Duration,
    /// How many of its hosts run it at a time.
    pub(super) concurrency: usize,
    pub(super) comment: &'a str,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Sent {
    command: SentCommand,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct SentCommand {
    command_id: String,
}

/// An agent, as Systems Manager knows it.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Managed {
    pub(super) instance_id: String,
    #[serde(default)]
    pub(super) ping_status: String,
    #[serde(default)]
    pub(super) platform_type: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ManagedPage {
    #[serde(default)]
    instance_information_list: Vec<Managed>,
    next_token: Option<String>,
}

/// How a command stands on one host.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Standing {
    pub(super) instance_id: String,
    #[serde(default)]
    pub(super) status: String,
    #[serde(default)]
    pub(super) status_details: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct StandingPage {
    #[serde(default)]
    command_invocations: Vec<Standing>,
    next_token: Option<String>,
}

/// What a command gave on one host.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Invocation {
    #[serde(default)]
    pub(super) status: String,
    #[serde(default)]
    pub(super) status_details: String,
    #[serde(default)]
    pub(super) standard_output_content: String,
    #[serde(default)]
    pub(super) standard_error_content: String,
}

/// Sends a command; gives its id. Never sent twice by itself: see `batch`.
pub(super) async fn send(client: &Client, ids: &[String], command: &Command<'_>) -> Result<String, AwsError> {
    let body = json!({
        "DocumentName": "AWS-RunShellScript",
        "InstanceIds": ids,
        "TimeoutSeconds": command.delivery.as_secs().clamp(30, 2_592_000),
        "MaxConcurrency": command.concurrency.clamp(1, MOST_INSTANCES).to_string(),
        // One bad host must not end the sweep of the others, as the default would.
        "MaxErrors": "100%",
        "Comment": command.comment.chars().take(100).collect::<String>(),
        "Parameters": {
            "commands": command.lines,
            "executionTimeout": [command.execution.as_secs().clamp(5, 172_800).to_string()],
        },
    });
    let sent: Sent = client.ssm("SendCommand", &body, false).await?;
    Ok(sent.command.command_id)
}

/// What is known of these instances. Those that are not managed are not in the answer.
pub(super) async fn managed(client: &Client, ids: &[String]) -> Result<Vec<Managed>, AwsError> {
    let filter = json!([{"Key": "InstanceIds", "Values": ids}]);
    let mut found = Vec::new();
    let mut token: Option<String> = None;
    loop {
        let body = page(json!({"Filters": filter, "MaxResults": 50}), token.as_deref());
        let page: ManagedPage = client.ssm("DescribeInstanceInformation", &body, true).await?;
        found.extend(page.instance_information_list);
        token = page.next_token.filter(|token| !token.is_empty());
        if token.is_none() {
            return Ok(found);
        }
    }
}

/// How a command stands on all its hosts.
pub(super) async fn standings(client: &Client, command: &str) -> Result<Vec<Standing>, AwsError> {
    let mut found = Vec::new();
    let mut token: Option<String> = None;
    loop {
        let body = page(json!({"CommandId": command, "MaxResults": 50}), token.as_deref());
        let page: StandingPage = client.ssm("ListCommandInvocations", &body, true).await?;
        found.extend(page.command_invocations);
        token = page.next_token.filter(|token| !token.is_empty());
        if token.is_none() {
            return Ok(found);
        }
    }
}

/// What a command gave on one host; `None` where Systems Manager does not know that yet.
pub(super) async fn invocation(
    client: &Client,
    command: &str,
    id: &str,
) -> Result<Option<Invocation>, AwsError> {
    let body = json!({"CommandId": command, "InstanceId": id});
    match client.ssm("GetCommandInvocation", &body, true).await {
        Ok(invocation) => Ok(Some(invocation)),
        Err(error) if error.code().is_some_and(|code| code.as_str() == "InvocationDoesNotExist") => Ok(None),
        Err(error) => Err(error),
    }
}

/// Ends a command where it is not over yet.
pub(super) async fn cancel(client: &Client, command: &str) -> Result<(), AwsError> {
    let _: Value = client.ssm("CancelCommand", &json!({"CommandId": command}), true).await?;
    Ok(())
}

fn page(mut body: Value, token: Option<&str>) -> Value {
    if let (Some(object), Some(token)) = (body.as_object_mut(), token) {
        object.insert("NextToken".to_owned(), token.into());
    }
    body
}
