//! `evaluate`: how well the differ finds what was planted.

use super::CommandError;
use herdiff_differ::{Finding, Options, Report, diff, outliers};
use herdiff_model::bundle::Bundle;
use herdiff_model::knowledge::Tables;
use herdiff_testbed::evaluate::measure::{self, DEPTHS, Score, Truth};
use herdiff_testbed::evaluate::naive::{self, Naive};
use herdiff_testbed::evaluate::{Herd, HerdPlan, SCENARIOS, Scenario, plant, plant_all};
use std::process::ExitCode;
use std::time::Instant;

#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  herdiff-testbed evaluate --hosts 10,50 --seeds 101,102 --naive")]
pub(crate) struct Arguments {
    /// Sizes of the herds
    #[arg(long, value_name = "N,…", value_delimiter = ',', default_values_t = [10, 50, 500])]
    hosts: Vec<u32>,
    /// Seeds of the herds
    #[arg(long, value_name = "N,…", value_delimiter = ',', default_values_t = [101, 102, 103])]
    seeds: Vec<u64>,
    /// About how many rows a host
    #[arg(long, value_name = "N", default_value_t = 2500)]
    rows: usize,
    /// Only these scenarios
    #[arg(long, value_name = "NAME,…", value_delimiter = ',')]
    only: Vec<String>,
    /// Above this score a finding counts on a clean herd
    #[arg(long, value_name = "BITS", default_value_t = 9.5)]
    threshold: f64,
    /// Rows without statements, under other names and with fewer columns
    #[arg(long)]
    foreign: bool,
    /// Hosts named by words, not by numbers
    #[arg(long)]
    words: bool,
    /// Also rank by difference and by stacking
    #[arg(long)]
    naive: bool,
    /// Print what stands out on the clean herd, and where each malicious row is
    #[arg(short, long)]
    verbose: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode, CommandError> {
    let tables = Tables::builtin().map_err(|error| CommandError::NotAsExpected(error.to_string()))?;
    let scenarios: Vec<Scenario> = match &arguments.only[..] {
        [] => SCENARIOS.to_vec(),
        names => names
            .iter()
            .map(|name| {
                Scenario::named(name)
                    .ok_or_else(|| CommandError::NotAsExpected(format!("there is no scenario {name}")))
            })
            .collect::<Result<_, _>>()?,
    };
    println!(
        "{:<6} {:<34} {:>6} {:>6} {:>6} {:>6} {:>8} {:>6} {:>5}",
        "hosts", "what", "r@10", "r@25", "r@50", "r@250", "burden", "ranked", "AUC"
    );
    for &hosts in &arguments.hosts {
        Size { arguments, tables: &tables, hosts }.run(&scenarios)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// How many clean hosts make a baseline.
const BASELINE: usize = 5;

/// All herds of one size.
struct Size<'a> {
    arguments: &'a Arguments,
    tables: &'a Tables,
    hosts: u32,
}

impl Size<'_> {
    fn run(&self, scenarios: &[Scenario]) -> Result<(), CommandError> {
        let mut by_scenario: Vec<Vec<Score>> = vec![Vec::new(); scenarios.len()];
        let mut by_naive: Vec<Vec<Score>> = vec![Vec::new(); Naive::ALL.len()];
        let (mut campaign, mut third, mut mixed, mut clean) =
            (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let (mut held, mut burdens) = (Vec::new(), Vec::new());
        let mut slowest: f64 = 0.0;
        for &seed in &self.arguments.seeds {
            let herd = self.grow(seed, false)?;
            let start = Instant::now();
            let report = outliers(&herd.bundle, self.tables, &Options::default());
            slowest = slowest.max(start.elapsed().as_secs_f64());
            let above: Vec<_> = report
                .findings
                .iter()
                .take_while(|finding| finding.score >= self.arguments.threshold)
                .collect();
            clean.push(above.len());
            if self.arguments.verbose {
                report.findings.iter().take(40).for_each(|finding| print_finding("  clean", finding));
            }
            drop(report);
            for (scenario, scores) in scenarios.iter().zip(&mut by_scenario) {
                let (bundle, truth) = plant(&herd, *scenario, 1);
                let report = self.report(&bundle);
                let score = measure::score(&herd, &truth, &report);
                if self.arguments.verbose {
                    println!("  {seed} {:<24} {:?} host {}", scenario.name, score.places, score.worst_rank);
                    print_before(&report, &truth, &score);
                }
                scores.push(score);
                let (score, findings) = self.against_baseline(&herd, &bundle, &truth);
                held.push(score);
                burdens.push(findings);
                if self.arguments.naive {
                    for (method, scores) in Naive::ALL.into_iter().zip(&mut by_naive) {
                        scores.push(naive::score(&herd, &bundle, &truth, self.tables, method));
                    }
                }
            }
            let (bundle, truth) = plant_all(&herd);
            campaign.push(self.score(&herd, &bundle, &truth));
            for name in ["cron-implant", "systemd-unit", "authorized-key", "miner"] {
                let Some(scenario) = Scenario::named(name) else { continue };
                let (bundle, truth) = plant(&herd, scenario, herd.len() * 3 / 10);
                let report = self.report(&bundle);
                let score = measure::score(&herd, &truth, &report);
                if self.arguments.verbose {
                    let mut places = score.places.clone();
                    places.sort_unstable();
                    places.dedup();
                    println!("  {seed} third: {name} {places:?} host {}", score.worst_rank);
                    print_before(&report, &truth, &score);
                }
                third.push(score);
            }
            drop(herd);
            let herd = self.grow(seed, true)?;
            for scenario in scenarios.iter().step_by(3) {
                let (bundle, truth) = plant(&herd, *scenario, 1);
                mixed.push(self.score(&herd, &bundle, &truth));
            }
        }
        for (scenario, scores) in scenarios.iter().zip(&by_scenario) {
            self.line(&format!("{} {}", scenario.name, scenario.techniques.first().unwrap_or(&"")), scores);
        }
        let all: Vec<Score> = by_scenario.into_iter().flatten().collect();
        self.line("ALL SCENARIOS, one host each", &all);
        self.line("all scenarios in one herd", &campaign);
        self.line("30 % of the herd hit", &third);
        self.line("two roles mixed", &mixed);
        self.line("against five hosts as baseline", &held);
        burdens.sort_unstable();
        println!(
            "{:<6} against the baseline: findings about the compromised host from {} bits on: median {}, most {}",
            self.hosts,
            self.arguments.threshold,
            burdens.get(burdens.len() / 2).copied().unwrap_or_default(),
            burdens.last().copied().unwrap_or_default()
        );
        for (method, scores) in Naive::ALL.into_iter().zip(&by_naive).filter(|(_, scores)| !scores.is_empty())
        {
            self.line(method.name(), scores);
        }
        println!(
            "{:<6} clean herds: findings from {} bits on: {clean:?}; outliers took at most {slowest:.2} s; peak memory {} MB",
            self.hosts,
            self.arguments.threshold,
            peak_mb()
        );
        Ok(())
    }

    fn grow(&self, seed: u64, mixed: bool) -> Result<Herd, CommandError> {
        let plan = HerdPlan {
            hosts: self.hosts,
            rows: self.arguments.rows,
            seed,
            mixed,
            foreign: self.arguments.foreign,
            words: self.arguments.words,
        };
        Herd::grow(plan).map_err(|error| CommandError::NotAsExpected(error.to_string()))
    }

    fn score(&self, herd: &Herd, bundle: &Bundle, truth: &Truth) -> Score {
        measure::score(herd, truth, &self.report(bundle))
    }

    fn report(&self, bundle: &Bundle) -> Report {
        outliers(bundle, self.tables, &Options::default())
    }

    /// The compromised host alone, held against clean ones of its herd: how well, and how many findings above the threshold.
    fn against_baseline(&self, herd: &Herd, bundle: &Bundle, truth: &Truth) -> (Score, usize) {
        let is_clean = |place: usize, name: &str| herd.answers_all(place) && !truth.contains_key(name);
        let mut baseline = bundle.clone();
        let mut place = 0;
        baseline.snapshots.retain(|host| {
            place += 1;
            is_clean(place - 1, host.host.as_str())
        });
        baseline.snapshots.truncate(BASELINE);
        let mut target = bundle.clone();
        target.snapshots.retain(|host| truth.contains_key(host.host.as_str()));
        let report = diff(&[&baseline], &target, self.tables, &Options::default());
        let above =
            report.findings.iter().filter(|finding| finding.score >= self.arguments.threshold).count();
        (measure::score(herd, truth, &report), above)
    }

    fn line(&self, what: &str, scores: &[Score]) {
        if scores.is_empty() {
            return;
        }
        let mean = |of: &dyn Fn(&Score) -> f64| scores.iter().map(of).sum::<f64>() / scores.len() as f64;
        let recall: String = (0..DEPTHS.len())
            .map(|n| format!(" {:>6.2}", mean(&|score| score.recall.get(n).copied().unwrap_or_default())))
            .collect();
        let mut burdens: Vec<usize> = scores.iter().map(|score| score.burden.unwrap_or(usize::MAX)).collect();
        burdens.sort_unstable();
        let burden = match burdens.get(burdens.len() / 2) {
            Some(&usize::MAX) | None => "never".to_owned(),
            Some(burden) => burden.to_string(),
        };
        let ranked = scores.iter().filter(|score| score.worst_rank <= score.compromised + 2).count() as f64;
        println!(
            "{:<6} {what:<34}{recall} {burden:>8} {:>6.2} {:>5.2}",
            self.hosts,
            ranked / scores.len() as f64,
            mean(&|score| score.auc)
        );
    }
}

/// Where compromised hosts are not among the first, what stands before them, and then what is known of the last of them.
fn print_before(report: &Report, truth: &Truth, score: &Score) {
    if score.worst_rank <= score.compromised + 2 {
        return;
    }
    let (before, after) =
        report.suspects.split_at(score.worst_rank.saturating_sub(1).min(report.suspects.len()));
    let innocent = before.iter().filter(|suspect| !truth.contains_key(suspect.host.as_str()));
    for suspect in innocent.take(4).chain(after.first()) {
        println!("      {:<8} {:>5.1} of {} findings", suspect.host, suspect.score, suspect.findings);
        let of_host = report.findings.iter().filter(|finding| finding.hosts.contains(&suspect.host));
        of_host.take(3).for_each(|finding| print_finding("       ", finding));
    }
}

fn print_finding(before: &str, finding: &Finding) {
    println!(
        "{before} {:>5.1} {} {} [{}] {} | {}",
        finding.score,
        finding.kind,
        finding.query,
        finding.hosts.len(),
        finding.title,
        finding.why
    );
}

/// The most memory that this process has had.
fn peak_mb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    peak.and_then(|peak| peak.trim().trim_end_matches(" kB").parse::<u64>().ok()).unwrap_or_default() / 1024
}
