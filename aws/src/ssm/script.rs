//! The commands that are sent: shell scripts as text that an operator can read in the command history.

use super::MOST_PARAMETERS;
use crate::error::AwsError;
use crate::store::Engine;
use data_encoding::{BASE64, HEXLOWER};
use flate2::Compression;
use flate2::write::GzEncoder;
use herdiff_collector::delivery::Script;
use herdiff_collector::engine::EngineChoice;
use ring::rand::{SecureRandom, SystemRandom};
use std::io::Write;
use std::time::Duration;

const HOST: &str = include_str!("host.sh");
const FETCH: &str = include_str!("fetch.sh");

/// Bytes of a piece. As base64 they are 23,200 characters, which leaves room for our lines below the 24,000 at which the
/// agent cuts.
pub(super) const PIECE: usize = 17_400;
/// How long an answer waits on the host for those who fetch its pieces.
const KEEP: Duration = Duration::from_secs(900);

/// Names the directory on the host. New for every command, so that one that was sent twice does not meet itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Token(String);

impl Token {
    pub(super) fn new() -> Result<Self, AwsError> {
        let mut bytes = [0; 16];
        let rolled = SystemRandom::new().fill(&mut bytes);
        rolled.map_err(|_| AwsError::Unusable("the system gives no random numbers".to_owned()))?;
        Ok(Self(HEXLOWER.encode(&bytes)))
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

/// The command that runs the queries. `limit` is how long the engine may run.
pub(super) fn run(
    script: &Script,
    engines: &[Engine],
    token: &Token,
    limit: Duration,
) -> Result<Vec<String>, AwsError> {
    let choice = match script.choice() {
        EngineChoice::Auto => "auto",
        EngineChoice::Probe => "probe",
        EngineChoice::Osqueryi => "osqueryi",
    };
    let mut files = format!("cat > remote.sh <<'END-{0}'\n{1}\nEND-{0}\n", token.0, script.text());
    let statements = script.for_osqueryi();
    let inputs = [("request", script.for_probe()), ("statements", &statements)];
    for (name, bytes) in inputs {
        files += &format!("unpack {name} <<'END'\n{}\nEND\n", pack(bytes)?);
    }
    let engines: Vec<_> = engines
        .iter()
        .map(|engine| format!("{} {} {} {}", engine.arch, engine.sha256, engine.bytes, quotable(&engine.url)))
        .collect();
    let text = format!(
        "token={}\nlimit={}\nmost={}\nchunk={PIECE}\nkeep={}\nchoice={choice}\nengines='{}'\n{}",
        token.0,
        limit.as_secs().max(1),
        script.limits().total_bytes.saturating_add(1),
        KEEP.as_secs(),
        engines.join("\n"),
        minify(HOST).replace("#{files}", &files),
    );
    lines(&text)
}

/// What a further command is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fetch {
    /// To print a piece; they are counted from 1.
    Piece(usize),
    /// To send everything to a presigned URL. The hash is part of what was signed: nothing else is accepted there.
    Upload { url: String, sha256: String },
    /// To remove it.
    Drop,
}

/// A further command about the answer that a run left on the host.
pub(super) fn fetch(token: &Token, fetch: &Fetch) -> Result<Vec<String>, AwsError> {
    let (what, piece, url, sum) = match fetch {
        Fetch::Piece(piece) => ("chunk", *piece, "", ""),
        Fetch::Upload { url, sha256 } => ("upload", 0, url.as_str(), sha256.as_str()),
        Fetch::Drop => ("drop", 0, "", ""),
    };
    lines(&format!(
        "token={}\nchunk={PIECE}\nwhat={what}\npiece={piece}\nurl='{}'\nsum='{sum}'\n{}",
        token.0,
        quotable(url),
        minify(FETCH)
    ))
}

/// As the parameter of the document, which has no published limit: the document itself may have 64 KB.
fn lines(text: &str) -> Result<Vec<String>, AwsError> {
    if text.len() > MOST_PARAMETERS {
        return Err(AwsError::Unusable(format!(
            "the pack makes a command of {} bytes, and Systems Manager is given {MOST_PARAMETERS} at most: sweep it in \
             parts",
            text.len()
        )));
    }
    // Systems Manager would put something else in their place.
    if text.contains("{{") {
        return Err(AwsError::Unusable(
            "the command would contain {{, which Systems Manager replaces".to_owned(),
        ));
    }
    Ok(text.lines().map(str::to_owned).collect())
}

/// Signed URLs are percent-encoded, and have none of these.
fn quotable(url: &str) -> String {
    url.replace(['\'', '\n', '\r', ' '], "")
}

fn pack(bytes: &[u8]) -> Result<String, AwsError> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
    let packed = gzip.write_all(bytes).and_then(|()| gzip.finish());
    packed.map(|packed| BASE64.encode(&packed)).map_err(|error| AwsError::Unusable(error.to_string()))
}

/// Without comments and indentation.
fn minify(script: &str) -> String {
    let lines = script.lines().map(str::trim);
    let lines = lines.filter(|line| !line.is_empty() && (!line.starts_with('#') || line.starts_with("#{")));
    lines.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use herdiff_collector::delivery::ProbeBinary;
    use herdiff_collector::engine::Limits;
    use herdiff_model::pack::Pack;

    fn script(pack: &Pack) -> Script {
        let probes = vec![ProbeBinary::for_arch("x86_64", b"probe".to_vec())];
        Script::new(pack, Duration::from_secs(30), EngineChoice::Auto, probes, Limits::default())
    }

    fn triage() -> Pack {
        Pack::parse(include_str!("../../../model/packs/triage.conf")).unwrap()
    }

    fn engine() -> Engine {
        let url = format!("https://b.s3.amazonaws.com/x?X-Amz-Security-Token={}", "a".repeat(1200));
        Engine { arch: "x86_64".to_owned(), sha256: "0".repeat(64), bytes: 5, url }
    }

    #[test]
    fn the_built_in_pack_fits_and_nothing_is_replaced_on_the_way() {
        let token = Token::new().unwrap();
        let lines = run(&script(&triage()), &[engine(), engine()], &token, Duration::from_secs(175)).unwrap();
        let text = lines.join("\n");
        assert!(text.len() < MOST_PARAMETERS / 2, "{}", text.len());
        assert!(text.is_ascii() && !text.contains("{{"));
    }

    #[test]
    fn a_pack_that_is_too_large_is_refused_before_anything_is_sent() {
        // What compresses would fit.
        let numbers: Vec<_> =
            (0..12_000u64).map(|n| (n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20).to_string()).collect();
        let sql = numbers.join(",");
        let pack = Pack::parse(&format!(r#"{{"queries":{{"q":{{"query":"SELECT {sql}"}}}}}}"#)).unwrap();
        let error = run(&script(&pack), &[], &Token::new().unwrap(), Duration::from_secs(9)).unwrap_err();
        assert!(error.to_string().contains("sweep it in parts"), "{error}");
    }

    /// The host chooses as the collector will think that it has chosen.
    #[test]
    fn both_scripts_look_for_osqueryi_in_the_same_way() {
        let search = |script: &str| {
            let script = minify(script);
            let start = script.find("for p in ").unwrap();
            let end = script[start..].find("done").unwrap();
            script[start..start + end].to_owned()
        };
        let pack = triage();
        assert_eq!(search(HOST), search(&script(&pack).text()));
    }

    #[test]
    fn tokens_differ() {
        assert_ne!(Token::new().unwrap(), Token::new().unwrap());
    }
}
