//! Up to fifty hosts that are sent the same commands: the run, the further pieces of long answers, the way through S3.

use super::api::{self, Command};
use super::follow::{Ended, Follow};
use super::script::{self, Fetch, Token};
use super::visit::{Host, Next};
use super::{Context, failure, stopped};
use crate::client::Client;
use crate::error::AwsError;
use futures::StreamExt;
use futures::future::join_all;
use herdiff_model::outcome::{HostOutcome, HostOutcomeKind as Kind, Phase};
use std::collections::BTreeMap;

/// Tries of a command that may or may not have been taken.
const TRIES: usize = 3;
/// Answers that go through S3 at a time, for each batch.
const UPLOADS: usize = 4;

/// Hosts by their instance.
type Hosts = BTreeMap<String, Host>;

/// Visits the hosts; each ends in one visit.
pub(super) async fn run(context: &Context, client: &Client, hosts: Vec<Host>) {
    let mut groups = Vec::new();
    let mut waiting = vec![hosts];
    while let Some(mut hosts) = waiting.pop() {
        if context.stop.is_cancelled() {
            all_lost(context, hosts, &stopped()).await;
            continue;
        }
        match send_run(context, client, &mut hosts).await {
            Ok(sent) => groups.push((sent, hosts)),
            // One instance that is not there any more is enough for that, and which is not said reliably.
            Err(error) if is_invalid(&error) && hosts.len() > 1 => {
                let half = hosts.split_off(hosts.len() / 2);
                waiting.extend([hosts, half]);
            }
            Err(error) => all_lost(context, hosts, &failure(&error, Phase::Session)).await,
        }
    }
    join_all(
        groups.into_iter().map(|((command, token), hosts)| group(context, client, command, token, hosts)),
    )
    .await;
}

fn is_invalid(error: &AwsError) -> bool {
    error.code().is_some_and(|code| code.as_str() == "InvalidInstanceId")
}

async fn all_lost(context: &Context, hosts: Vec<Host>, outcome: &HostOutcome) {
    for host in hosts {
        host.lost(context, outcome.clone()).await;
    }
}

/// Sends the run. A try that may have reached AWS is followed by one with a token of its own: should both run, each has
/// its directory, and the janitor of the one that nobody asks about removes it.
async fn send_run(
    context: &Context,
    client: &Client,
    hosts: &mut [Host],
) -> Result<(String, Token), AwsError> {
    let mut tries = 0;
    loop {
        tries += 1;
        let token = Token::new()?;
        let engines = match &context.config.staging {
            Some(staging) => staging.engines(context.script.probes(), context.config.urls()).await?,
            None => Vec::new(),
        };
        let lines = script::run(&context.script, &engines, &token, context.config.engine())?;
        let bytes = lines.iter().map(|line| line.len() + 1).sum();
        for host in hosts.iter_mut() {
            host.start(context, bytes).await;
        }
        let ids: Vec<_> = hosts.iter().map(|host| host.instance().to_owned()).collect();
        match send(context, client, &ids, &lines).await {
            Ok(command) => return Ok((command, token)),
            Err(AwsError::Transport { .. }) if tries < TRIES => {}
            Err(error) => return Err(error),
        }
    }
}

async fn send(
    context: &Context,
    client: &Client,
    ids: &[String],
    lines: &[String],
) -> Result<String, AwsError> {
    let patience = context.config.patience();
    let comment = if context.incident.is_empty() { "herdiff" } else { &context.incident };
    let command = Command {
        lines,
        delivery: patience.delivery,
        execution: patience.execution,
        concurrency: context.config.forks,
        comment,
    };
    api::send(client, ids, &command).await
}

/// The hosts of one command.
async fn group(context: &Context, client: &Client, command: String, token: Token, hosts: Vec<Host>) {
    let mut hosts: Hosts = hosts.into_iter().map(|host| (host.instance().to_owned(), host)).collect();
    let mut more = Hosts::new();
    let mut large = Vec::new();
    let mut spoilt = Vec::new();
    let mut follow = Follow::new(context, client, command, hosts.keys().cloned());
    while let Some(ended) = follow.next().await {
        for (id, ended) in ended {
            let Some(mut host) = hosts.remove(&id) else { continue };
            let next = match ended {
                // The janitor there knows that its command is gone.
                Ended::Lost(outcome) => {
                    host.lost(context, outcome).await;
                    continue;
                }
                Ended::Ran(output) => {
                    host.first(context, &output.standard_output_content, &output.standard_error_content)
                }
            };
            match next {
                Ok(Next::Read) => host.read(context).await,
                Ok(Next::Piece(_)) => drop(more.insert(id, host)),
                Ok(Next::Upload) => large.push(host),
                Err(outcome) => {
                    spoilt.extend(host.may_keep_more());
                    host.lost(context, outcome).await;
                }
            }
        }
    }
    pieces(context, client, &token, more, &mut spoilt).await;
    let token = &token;
    let uploads = futures::stream::iter(large).map(|host| upload(context, client, token, host));
    uploads.buffer_unordered(UPLOADS).collect::<Vec<()>>().await;
    forget(context, client, token, &spoilt).await;
}

/// Fetches pieces 2, 3, … of all hosts that have them, one command for each number.
async fn pieces(
    context: &Context,
    client: &Client,
    token: &Token,
    mut hosts: Hosts,
    spoilt: &mut Vec<String>,
) {
    let mut number = 2;
    while !hosts.is_empty() {
        let ids: Vec<_> = hosts.keys().cloned().collect();
        if context.stop.is_cancelled() {
            forget(context, client, token, &ids).await;
            return all_lost(context, hosts.into_values().collect(), &stopped()).await;
        }
        let sent = match script::fetch(token, &Fetch::Piece(number)) {
            Ok(lines) => send(context, client, &ids, &lines).await,
            Err(error) => Err(error),
        };
        let command = match sent {
            Ok(command) => command,
            Err(error) => {
                return all_lost(context, hosts.into_values().collect(), &failure(&error, Phase::Run)).await;
            }
        };
        let mut missing = Hosts::new();
        let mut follow = Follow::new(context, client, command, ids);
        while let Some(ended) = follow.next().await {
            for (id, ended) in ended {
                let Some(mut host) = hosts.remove(&id) else { continue };
                let next = match ended {
                    Ended::Lost(outcome) => Err(outcome),
                    Ended::Ran(output) => host.piece(context, &output.standard_output_content),
                };
                match next {
                    Ok(Next::Read) => host.read(context).await,
                    // Only pieces that are few enough are fetched here, so there is nothing else to be done.
                    Ok(Next::Piece(_) | Next::Upload) => drop(missing.insert(id, host)),
                    Err(outcome) => {
                        spoilt.extend(host.may_keep_more());
                        host.lost(context, outcome).await;
                    }
                }
            }
        }
        hosts = missing;
        number += 1;
    }
}

/// Removes answers that nobody will fetch. The janitor on the host would, later.
async fn forget(context: &Context, client: &Client, token: &Token, ids: &[String]) {
    if let (false, Ok(lines)) = (ids.is_empty(), script::fetch(token, &Fetch::Drop)) {
        let _ = send(context, client, ids, &lines).await;
    }
}

/// A long answer through S3: the host gets a URL that takes these bytes and no others.
async fn upload(context: &Context, client: &Client, token: &Token, mut host: Host) {
    match uploaded(context, client, token, &mut host).await {
        Ok(bytes) => {
            host.uploaded(bytes);
            host.read(context).await;
        }
        Err(outcome) => host.lost(context, outcome).await,
    }
}

async fn uploaded(
    context: &Context,
    client: &Client,
    token: &Token,
    host: &mut Host,
) -> Result<Vec<u8>, HostOutcome> {
    let ids = [host.instance().to_owned()];
    if context.stop.is_cancelled() {
        forget(context, client, token, &ids).await;
        return Err(stopped());
    }
    let Some(header) = host.header().cloned() else { return Err(stopped()) };
    let Some(staging) = &context.config.staging else {
        forget(context, client, token, &ids).await;
        let most = context.config.pieces * script::PIECE;
        let why = format!(
            "its answer has {} bytes, packed; more than {most} have to go through S3: name a place with --aws-staging",
            header.size()
        );
        return Err(HostOutcome::failed(Kind::OutputLimit, Phase::Run, why));
    };
    let aws = |error: AwsError| failure(&error, Phase::Run);
    let name = format!("{}-{}", host.instance(), Token::new().map_err(aws)?.as_str());
    let (key, url) = staging.inbox(&name, &header.sha256, context.config.urls()).await.map_err(aws)?;
    let sha256 = data_encoding::BASE64.encode(&header.sha256);
    let lines = script::fetch(token, &Fetch::Upload { url, sha256 }).map_err(aws)?;
    let command = send(context, client, &ids, &lines).await.map_err(aws)?;
    let mut follow = Follow::new(context, client, command, ids);
    while let Some(ended) = follow.next().await {
        for (_, ended) in ended {
            match ended {
                Ended::Lost(outcome) => return Err(outcome),
                Ended::Ran(output) => drop(host.further(&output.standard_output_content)?),
            }
        }
    }
    staging.collect(&key, header.size()).await.map_err(aws)
}
