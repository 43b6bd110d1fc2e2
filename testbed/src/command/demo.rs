//! `demo`: the main job from end to end, on a fleet of which two hosts are compromised.

use super::herdiff::Herdiff;
use super::{CommandError, now, place_for_trees, raise_descriptor_limit, runtime, told_to_end};
use herdiff_testbed::attack::{Attack, Planted};
use herdiff_testbed::fleet::{Fleet, FleetPlan};
use herdiff_testbed::ground::{self, Trees};
use herdiff_testbed::site::Site;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

/// What is planted, and on which host of twenty-four.
const PLANTED: [(Attack, u32); 2] = [(Attack::CronImplant, 7), (Attack::BackdoorAccount, 19)];
const USUAL_HOSTS: u32 = 24;

#[derive(Debug, clap::Args)]
#[command(after_help = "Example: herdiff-testbed demo --hosts 60 --keep")]
pub(crate) struct Arguments {
    /// How many hosts to serve
    #[arg(long, value_name = "N", default_value_t = USUAL_HOSTS, value_parser = clap::value_parser!(u32).range(8..=2000))]
    hosts: u32,
    /// Another seed makes another fleet
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    seed: u64,
    /// Where to leave the bundle and the inventory
    #[arg(long, value_name = "DIR", default_value = "herdiff-demo")]
    dir: PathBuf,
    /// Go on serving the hosts afterwards, until Ctrl-C
    #[arg(long)]
    keep: bool,
    /// Fail unless the planted hosts are the first two findings and every host was swept
    #[arg(long)]
    check: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode, CommandError> {
    raise_descriptor_limit();
    let herdiff = Herdiff::beside_us()?;
    let site = Site::open(&arguments.dir)?;
    let plan = FleetPlan { seed: arguments.seed, hosts: arguments.hosts, now: now(), ..FleetPlan::default() };
    let mut fleet = Fleet::grow(&plan);
    for (attack, place) in PLANTED {
        let number = (place * arguments.hosts / USUAL_HOSTS).max(1);
        fleet.plant(&plan.host_name(number), attack)?;
    }
    let trees = Trees::write(&fleet, &place_for_trees(arguments.hosts))?;
    runtime()?.block_on(async {
        let farm = ground::serve(&fleet, &trees, &BTreeMap::new(), &site).await?;
        introduce(&fleet, &trees, &site);
        let shown = tokio::select! {
            shown = show(arguments, &herdiff, &fleet, &site) => shown,
            () = told_to_end() => Err(CommandError::Interrupted),
        };
        if shown.is_ok() && arguments.keep {
            println!("\nThe hosts still answer. Ctrl-C ends them.");
            told_to_end().await;
        }
        farm.stop().await;
        site.forget_identity();
        shown.map(|()| ExitCode::SUCCESS)
    })
}

fn introduce(fleet: &Fleet, trees: &Trees, site: &Site) {
    println!(
        "{} web servers answer over SSH on loopback, each with its own root below {}.\nTwo of them are compromised. \
         The inventory and the bundle are left in {}.\n",
        fleet.hosts.len(),
        trees.directory().display(),
        site.directory().display(),
    );
}

/// Sweeps, compares, and tells the truth.
async fn show(
    arguments: &Arguments,
    herdiff: &Herdiff,
    fleet: &Fleet,
    site: &Site,
) -> Result<(), CommandError> {
    let bundle = site.fresh("demo.herd")?;
    let text = |path: &std::path::Path| path.display().to_string();
    let words = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect::<Vec<_>>();
    let start = Instant::now();
    let swept = herdiff.show_and_run(&super::herdiff::collect(site, &bundle)).await?.code();
    let swept_in = start.elapsed();
    if swept != Some(0) {
        return Err(unexpected("collect", swept, "0 (every host and every query has rows)"));
    }
    println!();
    let outliers = words(&["outliers", &text(&bundle)]);
    let found = herdiff.show_and_run(&outliers).await?.code();
    if found != Some(1) {
        return Err(unexpected("outliers", found, "1 (there are findings)"));
    }
    reveal(&fleet.planted);
    suggest(herdiff.shown(), fleet, site);
    if arguments.check {
        let hosts = words(&["show", &text(&bundle), "--hosts", "--format", "ndjson"]);
        all_swept(&herdiff.output(&hosts).await?.1, fleet)?;
        let (_, lines) = herdiff.output(&words(&["outliers", &text(&bundle), "--format", "ndjson"])).await?;
        let first = check(&lines, &fleet.planted)?;
        println!(
            "\nChecked: {} hosts swept in {:.1} s; first findings: {first}.",
            fleet.hosts.len(),
            swept_in.as_secs_f64()
        );
    }
    Ok(())
}

fn unexpected(verb: &str, code: Option<i32>, wanted: &str) -> CommandError {
    let code = code.map_or("a signal".to_owned(), |code| code.to_string());
    CommandError::NotAsExpected(format!("`herdiff {verb}` ended with {code}, and should have with {wanted}"))
}

fn reveal(planted: &[Planted]) {
    println!("\nWhat was planted:");
    for Planted { host, attack, .. } in planted {
        println!("  {host}  {:<16}  {}", attack.name(), attack.story());
    }
}

fn suggest(herdiff: &str, fleet: &Fleet, site: &Site) {
    let bundle = site.directory().join("demo.herd").display().to_string();
    let host = fleet.planted.first().map(|planted| planted.host.as_str()).unwrap_or_default();
    println!("\nTry next:");
    println!("  {herdiff} show {bundle}");
    println!("  {herdiff} show {bundle} --host {host} --query processes");
    println!("  {herdiff} outliers {bundle} --format ndjson");
    println!("  herdiff-testbed up --attack web-03=setuid-shell    # a fleet to sweep by hand");
}

/// Whether every host is in the bundle, and its visit went well.
fn all_swept(lines: &[u8], fleet: &Fleet) -> Result<(), CommandError> {
    let text = String::from_utf8_lossy(lines);
    let parse = |line| serde_json::from_str::<serde_json::Value>(line).ok();
    let seen: Vec<_> = text.lines().filter_map(parse).collect();
    let outcome = |name: &str| {
        let host = seen.iter().find(|host| host.get("host").and_then(|host| host.as_str()) == Some(name))?;
        host.get("outcome")?.as_str().map(str::to_owned)
    };
    for host in &fleet.hosts {
        let outcome = outcome(&host.name).unwrap_or_else(|| "missing".to_owned());
        if outcome != "ok" {
            return Err(CommandError::NotAsExpected(format!(
                "{} is `{outcome}` in the bundle, not `ok`",
                host.name
            )));
        }
    }
    Ok(())
}

/// Whether the first two findings are on the planted hosts, one each.
fn check(lines: &[u8], planted: &[Planted]) -> Result<String, CommandError> {
    let text = String::from_utf8_lossy(lines);
    let mut seen = Vec::new();
    for line in text.lines().take(planted.len()) {
        let finding: serde_json::Value = serde_json::from_str(line).map_err(|error| {
            CommandError::NotAsExpected(format!("a finding is not JSON ({error}): {line}"))
        })?;
        let field = |name: &str| finding.get(name).and_then(|value| value.as_str()).unwrap_or("?").to_owned();
        let alone =
            finding.get("hosts").and_then(|hosts| hosts.as_array()).is_some_and(|hosts| hosts.len() == 1);
        seen.push((field("host"), field("query"), alone));
    }
    let what = seen.iter().map(|(host, query, _)| format!("{host} ({query})")).collect::<Vec<_>>().join(", ");
    let each_once =
        planted.iter().all(|planted| seen.iter().filter(|(host, ..)| *host == planted.host).count() == 1);
    if each_once && seen.iter().all(|(_, _, alone)| *alone) {
        return Ok(what);
    }
    let wanted = planted.iter().map(|planted| planted.host.as_str()).collect::<Vec<_>>().join(" and ");
    let what = if what.is_empty() { "none".to_owned() } else { what };
    Err(CommandError::NotAsExpected(format!(
        "the first findings should be on {wanted}, one each; they are: {what}"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn planted() -> Vec<Planted> {
        let on = |host: &str, attack| Planted { host: host.to_owned(), attack, traces: Vec::new() };
        vec![on("web-07", Attack::CronImplant), on("web-19", Attack::BackdoorAccount)]
    }

    fn finding(hosts: &[&str]) -> String {
        serde_json::json!({"host": hosts[0], "hosts": hosts, "query": "users"}).to_string() + "\n"
    }

    #[test]
    fn a_host_that_was_not_swept_is_named() {
        let fleet = Fleet::grow(&FleetPlan { hosts: 2, ..FleetPlan::default() });
        let line = |host: &str, outcome: &str| {
            serde_json::json!({"host": host, "outcome": outcome}).to_string() + "\n"
        };
        assert!(all_swept((line("web-01", "ok") + &line("web-02", "ok")).as_bytes(), &fleet).is_ok());
        let says = |lines: String| all_swept(lines.as_bytes(), &fleet).unwrap_err().to_string();
        assert_eq!(
            says(line("web-01", "ok") + &line("web-02", "timeout")),
            "web-02 is `timeout` in the bundle, not `ok`"
        );
        assert_eq!(says(line("web-01", "ok")), "web-02 is `missing` in the bundle, not `ok`");
    }

    #[test]
    fn the_order_of_the_two_does_not_matter() {
        let lines = finding(&["web-19"]) + &finding(&["web-07"]) + &finding(&["web-01"]);
        assert_eq!(check(lines.as_bytes(), &planted()).unwrap(), "web-19 (users), web-07 (users)");
    }

    #[test]
    fn anything_else_among_the_first_two_fails() {
        let (seven, nineteen, other) = (finding(&["web-07"]), finding(&["web-19"]), finding(&["web-03"]));
        let shared = finding(&["web-19", "web-20"]);
        for lines in [
            String::new(),
            seven.clone(),
            seven.clone() + &seven,
            seven.clone() + &other + &nineteen,
            seven.clone() + &shared,
            "not json\n".to_owned(),
        ] {
            assert!(check(lines.as_bytes(), &planted()).is_err(), "{lines}");
        }
        let error = check(other.as_bytes(), &planted()).unwrap_err().to_string();
        assert_eq!(
            error,
            "the first findings should be on web-07 and web-19, one each; they are: web-03 (users)"
        );
    }
}
