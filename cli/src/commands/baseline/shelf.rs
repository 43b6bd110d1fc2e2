//! Where baselines are kept: a directory with a bundle for each, and a plain file that says who promoted which seal, and when.
//!
//! ```text
//! web  seal=4f0c…  on=2026-11-21  by=ada@console  against=sweep.herd  findings=0
//! ```
//!
//! The last line of a name counts. A bundle whose seal is another than its line's was not promoted, and is not believed.

use crate::error::Failure;
use crate::exit::Exit;
use herdiff_model::bundle::{Bundle, Digest, Ending};
use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

/// The directory, in the working directory.
pub(crate) const DEFAULT: &str = "herdiff.baselines";
/// The file with what was promoted.
const RECORD: &str = "promoted";
/// Where baselines go that others took the place of.
const FORMER: &str = "former";

/// A directory of baselines.
pub(crate) struct Shelf(PathBuf);

/// What was written down when a baseline was promoted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Promotion {
    pub(crate) seal: Digest,
    pub(crate) on: String,
    pub(crate) by: String,
    /// The sweep that it was compared with.
    pub(crate) against: Option<String>,
    /// How many findings there were on it that alarm.
    pub(crate) findings: usize,
    /// Why it was promoted in spite of them.
    pub(crate) reason: Option<String>,
}

/// A bundle in the directory.
pub(crate) struct Entry {
    pub(crate) name: String,
    pub(crate) path: PathBuf,
    /// `None` where it is a candidate.
    pub(crate) promoted: Option<Promotion>,
}

/// A name that is a file's without any surprise.
pub(crate) fn name(text: &str) -> Result<String, Failure> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    if text.is_empty() || text.len() > 64 || !text.bytes().all(is_plain) {
        return Err(Failure::usage(format!("{text} is no name for a baseline"))
            .next("letters, digits, - and _, as in web or db-primary"));
    }
    Ok(text.to_owned())
}

/// The seal of a bundle that is whole.
pub(crate) fn seal(path: &Path, bundle: &Bundle) -> Result<Digest, Failure> {
    match &bundle.ending {
        Ending::Whole { seal, .. } => Ok(*seal),
        Ending::Open { .. } => Err(Failure::usage(format!("{} ends early", path.display()))
            .why("a baseline must be whole")
            .exit(Exit::Integrity)),
    }
}

impl Shelf {
    pub(crate) fn at(directory: &Path) -> Self {
        Self(directory.to_owned())
    }

    pub(crate) fn directory(&self) -> &Path {
        &self.0
    }

    pub(crate) fn baseline(&self, name: &str) -> PathBuf {
        self.0.join(format!("{name}.herd"))
    }

    fn candidate_path(&self, name: &str) -> PathBuf {
        self.0.join(format!("{name}.candidate.herd"))
    }

    /// The candidate with that name.
    pub(crate) fn candidate(&self, name: &str) -> Result<PathBuf, Failure> {
        let path = self.candidate_path(name);
        match path.exists() {
            true => Ok(path),
            false => Err(Failure::usage(format!("there is no candidate {name} in {}", self.0.display()))
                .next(format!("herdiff baseline create {name} SWEEP.herd makes one"))),
        }
    }

    pub(crate) fn candidate_or_baseline(&self, name: &str) -> Result<PathBuf, Failure> {
        let baseline = self.baseline(name);
        self.candidate(name).or_else(|error| if baseline.exists() { Ok(baseline) } else { Err(error) })
    }

    /// Where a new candidate is written.
    pub(crate) fn vacant(&self, name: &str) -> Result<PathBuf, Failure> {
        fs::create_dir_all(&self.0).map_err(|error| Failure::file("make", &self.0, &error))?;
        let path = self.candidate_path(name);
        if path.exists() {
            return Err(Failure::usage(format!("there is a candidate {name} already"))
                .next(format!("promote it, or remove {}", path.display())));
        }
        Ok(path)
    }

    /// Makes a candidate the baseline; the one before it is kept.
    pub(crate) fn promote(&self, name: &str, promotion: &Promotion) -> Result<(), Failure> {
        let former = self.record()?.remove(name);
        // First the line: whatever is interrupted afterwards leaves a bundle that is not believed.
        let record = self.0.join(RECORD);
        OpenOptions::new()
            .create(true)
            .append(true)
            .open(&record)
            .and_then(|mut file| {
                file.write_all(promotion.line(name).as_bytes())?;
                file.sync_all()
            })
            .map_err(|error| Failure::file("write", &record, &error))?;
        let baseline = self.baseline(name);
        let moved = |from: &Path, to: &Path| {
            fs::rename(from, to).map_err(|error| Failure::file("move aside", from, &error))
        };
        if baseline.exists() {
            let kept = self.0.join(FORMER);
            fs::create_dir_all(&kept).map_err(|error| Failure::file("make", &kept, &error))?;
            let seal = former.map_or_else(|| "unknown".to_owned(), |former| former.seal.to_string());
            moved(&baseline, &kept.join(format!("{name}-{}.herd", seal.get(..12).unwrap_or(&seal))))?;
        }
        moved(&self.candidate_path(name), &baseline)
    }

    /// Baselines and candidates, by name.
    pub(crate) fn entries(&self) -> Result<Vec<Entry>, Failure> {
        let mut record = self.record()?;
        let mut entries: Vec<(String, bool, PathBuf)> = Vec::new();
        let listed = match fs::read_dir(&self.0) {
            Ok(listed) => listed,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(Failure::file("read", &self.0, &error)),
        };
        for entry in listed {
            let path = entry.map_err(|error| Failure::file("read", &self.0, &error))?.path();
            let Some(stem) = path.file_name().and_then(|name| name.to_str()?.strip_suffix(".herd")) else {
                continue;
            };
            let (stem, is_candidate) =
                stem.strip_suffix(".candidate").map_or((stem, false), |stem| (stem, true));
            entries.push((stem.to_owned(), is_candidate, path));
        }
        entries.sort();
        let entry = |(name, is_candidate, path): (String, bool, PathBuf)| {
            let promoted =
                if is_candidate { None } else { Some(record.remove(&name).ok_or_else(|| unknown(&path))?) };
            Ok(Entry { name, path, promoted })
        };
        entries.into_iter().map(entry).collect()
    }

    /// The baselines, each checked against what was promoted.
    pub(crate) fn baselines(
        &self,
        read: impl Fn(&Path) -> Result<Bundle, Failure>,
    ) -> Result<Vec<(PathBuf, Bundle)>, Failure> {
        let mut baselines = Vec::new();
        for entry in self.entries()? {
            let Some(promotion) = entry.promoted else { continue };
            let bundle = read(&entry.path)?;
            if seal(&entry.path, &bundle)? != promotion.seal {
                return Err(unknown(&entry.path));
            }
            baselines.push((entry.path, bundle));
        }
        if baselines.is_empty() {
            return Err(Failure::usage(format!("there is no baseline in {}", self.0.display()))
                .next("herdiff baseline create and promote make one"));
        }
        Ok(baselines)
    }

    fn record(&self) -> Result<BTreeMap<String, Promotion>, Failure> {
        let path = self.0.join(RECORD);
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(BTreeMap::new()),
            Err(error) => return Err(Failure::file("read", &path, &error)),
        };
        let mut record = BTreeMap::new();
        for (n, line) in
            text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty() && !line.starts_with('#'))
        {
            let (name, promotion) = Promotion::parse(line).ok_or_else(|| {
                Failure::usage(format!("line {} of {} cannot be read", n + 1, path.display()))
                    .next("a line is: NAME  seal=…  on=DAY  by=WHO  against=BUNDLE  findings=N  reason=WHY")
            })?;
            record.insert(name, promotion);
        }
        Ok(record)
    }
}

fn unknown(path: &Path) -> Failure {
    Failure::usage(format!("{} is not what was promoted", path.display()))
        .why("its seal is not the one that was written down then")
        .next("find out who put it there; a copy of the right one, or `herdiff baseline create` and `promote` again")
        .exit(Exit::Integrity)
}

impl Promotion {
    fn line(&self, name: &str) -> String {
        let plain = |text: &str| -> String {
            text.chars().map(|c| if c.is_control() || c.is_whitespace() { '_' } else { c }).collect()
        };
        let mut line = format!("{name}  seal={}  on={}  by={}", self.seal, plain(&self.on), plain(&self.by));
        if let Some(against) = &self.against {
            line += &format!("  against={}", plain(against));
        }
        line += &format!("  findings={}", self.findings);
        if let Some(reason) = &self.reason {
            // The last one, as it has spaces.
            line += &format!(
                "  reason={}",
                reason.chars().map(|c| if c.is_control() { ' ' } else { c }).collect::<String>()
            );
        }
        line + "\n"
    }

    fn parse(line: &str) -> Option<(String, Self)> {
        let (facts, reason) =
            line.split_once("  reason=").map_or((line, None), |(facts, reason)| (facts, Some(reason)));
        let mut words = facts.split_whitespace();
        let name = words.next()?.to_owned();
        let facts: BTreeMap<&str, &str> = words.filter_map(|word| word.split_once('=')).collect();
        Some((
            name,
            Self {
                seal: Digest::parse(facts.get("seal")?)?,
                on: (*facts.get("on")?).to_owned(),
                by: (*facts.get("by")?).to_owned(),
                against: facts.get("against").map(|path| (*path).to_owned()),
                findings: facts.get("findings")?.parse().ok()?,
                reason: reason.map(str::to_owned),
            },
        ))
    }
}
