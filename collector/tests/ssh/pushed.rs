//! An osqueryi that is pushed, and engines that are left for the next visit.

use crate::harness::*;
use herdiff_collector::engine::EngineChoice;
use herdiff_collector::sweep::SweepConfig;
use herdiff_model::outcome::HostOutcomeKind as Kind;
use herdiff_model::visit::Visit;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// A stand-in for osqueryi, as it is started there: its name, its flags, the statements on its standard input.
const OSQUERYI: &str = r#"#!/bin/sh
case $0 in */osqueryi) ;; *) exit 9 ;; esac
[ "$1" = --json ] && [ "$2" = --flagfile=/dev/null ] || exit 8
while read -r word rest; do
  case $word in
    .print) echo "$rest" ;;
    *) printf '[\n  {"a":"%s"}\n]\n' "$rest" ;;
  esac
done
"#;

/// A server for one test. Where engines are left is named after the user's number, which is one that nobody has here: other
/// visits, of other tests too, take away what they find of their own.
struct Place {
    keys: Keys,
    sshd: Sshd,
    left: PathBuf,
}

impl Place {
    fn new(number: u32) -> Self {
        let keys = Keys::new();
        let user = number * 10_000_000 + std::process::id();
        let bin = keys.path("bin");
        fs::create_dir(&bin).unwrap();
        fs::write(bin.join("id"), format!("#!/bin/sh\necho {user}\n")).unwrap();
        fs::set_permissions(bin.join("id"), fs::Permissions::from_mode(0o755)).unwrap();
        let sshd = keys.sshd(&format!("SetEnv PATH={}:/usr/bin:/bin", bin.display()));
        Self { keys, sshd, left: format!("/dev/shm/.herdiff-engine.{user}").into() }
    }

    fn config(&self) -> SweepConfig {
        self.keys.config(&[self.sshd.port])
    }

    async fn visit(&self, config: &SweepConfig) -> Visit {
        let swept = sweep(vec![target("a", self.sshd.port)], config.clone()).await;
        let visit = swept.visit("a").clone();
        assert_eq!(visit.receipt.removed, Some(true), "{:?}", visit.outcome);
        assert!(!Path::new(&visit.receipt.placed).exists());
        visit
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.left);
    }
}

fn fine(visit: &Visit) {
    assert_eq!(visit.outcome.kind, Kind::Ok, "{:?} {:?}", visit.outcome, visit.answers);
    assert!(visit.answers.iter().all(|answer| rows(answer).is_some()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pushed_osqueryi_comes_before_the_host_s_own() {
    if !sshd_is_there() {
        return;
    }
    let place = Place::new(1);
    // The host has one, which must not run.
    let own = place.keys.path("bin/osqueryi");
    fs::write(&own, "#!/bin/sh\nexit 7\n").unwrap();
    fs::set_permissions(&own, fs::Permissions::from_mode(0o755)).unwrap();
    let mut config = place.config();
    config.osquery = vec![probe(OSQUERYI)];
    for engine in [EngineChoice::Auto, EngineChoice::Osqueryi] {
        config.engine = engine;
        let visit = place.visit(&config).await;
        fine(&visit);
        let receipt = &visit.receipt;
        assert_eq!(
            (receipt.engine.as_str(), receipt.engine_sha256.as_str()),
            ("osqueryi", config.osquery[0].sha256())
        );
        assert!(receipt.bytes_sent > OSQUERYI.len() as u64);
        assert!(!place.left.exists());
    }
    config.engine = EngineChoice::Probe;
    assert_eq!(place.visit(&config).await.receipt.engine, "probe 0.0.1");
    // For another architecture it is of no use: then what is there runs.
    config.engine = EngineChoice::Auto;
    config.osquery =
        vec![herdiff_collector::delivery::ProbeBinary::for_arch("vax", OSQUERYI.as_bytes().to_vec())];
    assert_eq!(place.visit(&config).await.outcome.kind, Kind::EngineFailed);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_that_is_left_is_not_sent_again() {
    if !sshd_is_there() {
        return;
    }
    let place = Place::new(2);
    let mut config = place.config();
    config.leave_engine = true;
    let large = |script: &str| probe(&format!("{script}exit\n# {}", "x".repeat(300_000)));
    config.probes = vec![large(&engine())];
    let first = place.visit(&config).await;
    fine(&first);
    assert_eq!(first.receipt.engine, "probe 0.0.1 (left there)");
    assert!(first.receipt.bytes_sent > 300_000);
    let meta = fs::metadata(&place.left).unwrap();
    assert_eq!(meta.mode() & 0o777, 0o700);

    let again = place.visit(&config).await;
    fine(&again);
    assert_eq!(again.receipt.engine, "probe 0.0.1 (left there by an earlier visit) (left there)");
    assert_eq!(again.receipt.engine_sha256, first.receipt.engine_sha256);
    assert!(again.receipt.bytes_sent < 2_000, "{}", again.receipt.bytes_sent);

    // Beside it an osqueryi.
    config.engine = EngineChoice::Osqueryi;
    config.osquery = vec![large(OSQUERYI)];
    fine(&place.visit(&config).await);
    let again = place.visit(&config).await;
    fine(&again);
    assert!(again.receipt.bytes_sent < 2_000, "{:?}", again.receipt);
    config.engine = EngineChoice::Probe;

    // One that was changed there is none of ours: it is sent anew, and takes the place of the other.
    fs::write(place.left.join("herdiff-probe"), "#!/bin/sh\necho owned\n").unwrap();
    let anew = place.visit(&config).await;
    fine(&anew);
    assert!(anew.receipt.bytes_sent > 300_000, "{:?}", anew.receipt);
    assert!(place.visit(&config).await.receipt.bytes_sent < 2_000);

    // A visit that leaves nothing takes away what is there, and may use it.
    config.leave_engine = false;
    let last = place.visit(&config).await;
    fine(&last);
    assert_eq!(last.receipt.engine, "probe 0.0.1 (left there by an earlier visit)");
    assert!(!place.left.exists());
}

/// A place that others could have made, or can write to, is neither believed nor taken away.
#[tokio::test(flavor = "multi_thread")]
async fn a_place_that_is_not_ours_alone_is_left_alone() {
    if !sshd_is_there() {
        return;
    }
    let place = Place::new(3);
    let mut config = place.config();
    config.leave_engine = true;
    fs::create_dir(&place.left).unwrap();
    // With the right engine in it, so that nothing but whose it is can be the reason.
    let planted = place.left.join("herdiff-probe");
    fs::write(&planted, config.probes[0].bytes()).unwrap();
    fs::set_permissions(&planted, fs::Permissions::from_mode(0o755)).unwrap();
    for mode in [0o777, 0o770, 0o755] {
        fs::set_permissions(&place.left, fs::Permissions::from_mode(mode)).unwrap();
        let visit = place.visit(&config).await;
        fine(&visit);
        assert_eq!(visit.receipt.engine, "probe 0.0.1", "{mode:o}");
        assert!(visit.receipt.bytes_sent > config.probes[0].bytes().len() as u64);
    }
    // A link to such a directory of ours is not the directory.
    let elsewhere = place.keys.path("elsewhere");
    fs::rename(&place.left, place.keys.path("moved"))
        .unwrap_or_else(|_| fs::remove_dir_all(&place.left).unwrap());
    fs::create_dir(&elsewhere).unwrap();
    fs::set_permissions(&elsewhere, fs::Permissions::from_mode(0o700)).unwrap();
    std::os::unix::fs::symlink(&elsewhere, &place.left).unwrap();
    config.leave_engine = false;
    assert_eq!(place.visit(&config).await.receipt.engine, "probe 0.0.1");
    assert!(elsewhere.exists() && place.left.is_symlink());
    fs::remove_file(&place.left).unwrap();
}
