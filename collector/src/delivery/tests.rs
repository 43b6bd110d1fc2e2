//! Tests of the conversation: honest hosts, unwilling ones, hostile ones. No host is needed for them.

use super::*;
use crate::engine::{EngineChoice, Limits, Plan};
use herdiff_model::outcome::{HostOutcome, HostOutcomeKind as Kind, Phase};
use herdiff_model::pack::Pack;
use herdiff_model::snapshot::Receipt;
use herdiff_model::visit::Answer;
use proptest::prelude::*;
use std::sync::Arc;
use std::time::Duration;

const HELLO: &str =
    "\u{1e}{\"hello\":1,\"arch\":\"x86_64\",\"uid\":7,\"dir\":\"/tmp/.herdiff.1.x\",\"osqueryi\":\"\"}\n";
const PLACED: &str = "\u{1e}{\"placed\":\"/tmp/.herdiff.1.x/herdiff-probe\",\"bytes\":5,\"checked\":true}\n";
const HEADER: &str =
    "{\"probe\":\"9\",\"protocol\":1,\"arch\":\"x86_64\",\"uid\":7,\"root\":\"/\",\"pid\":3}\n";
const ROWS: &str =
    "{\"query\":\"users\",\"columns\":[\"a\"],\"rows\":[[\"1\"]],\"unread\":[],\"cut\":null}\n";
const END: &str = "{\"end\":1,\"cpu_us\":5}\n";

fn receipt_line(status: i32, killed: bool) -> String {
    format!(
        "\n\u{1e}{{\"receipt\":1,\"status\":{status},\"killed\":{killed},\"removed\":true,\"leftovers\":0}}\n"
    )
}

fn dialogue(choice: EngineChoice) -> Dialogue {
    dialogue_within(choice, 4000, &Budget::new(1 << 30, 1))
}

fn dialogue_within(choice: EngineChoice, total_bytes: u64, budget: &Arc<Budget>) -> Dialogue {
    let pack = Pack::parse(r#"{"queries":{"users":{"query":"SELECT 1"}}}"#).unwrap();
    let limits = Limits { total_bytes, greeting_bytes: 500, ..Limits::default() };
    let plan = Plan::new(&pack, &limits, Duration::from_secs(1));
    let probes = vec![ProbeBinary::for_arch("x86_64", b"probe".to_vec())];
    Dialogue::new(
        Arc::new(Orders {
            plan: Arc::new(plan),
            limits: Arc::new(limits),
            choice,
            probes,
            osquery: Vec::new(),
            leave: false,
            prompt: Prompt::new(),
            budget: Arc::clone(budget),
        }),
        Privilege::AsIs,
        0,
    )
}

/// Says these, then ends.
fn talk(choice: EngineChoice, said: &[&str], stderr: &str, end: End) -> (HostOutcome, Receipt, Vec<Answer>) {
    let mut dialogue = dialogue(choice);
    let mut end = end;
    for said in said {
        if let Err(outcome) = dialogue.stdout(said.as_bytes()) {
            end = End::Broken(outcome);
            break;
        }
    }
    if !stderr.is_empty() {
        dialogue.stderr(stderr.as_bytes()).unwrap();
    }
    let mut receipt = Receipt::default();
    let (outcome, answers, _) = dialogue.finish(end, &mut receipt);
    assert_eq!(answers.len(), 1);
    (outcome, receipt, answers)
}

fn kind(said: &[&str]) -> (Kind, Option<Phase>) {
    let (outcome, ..) = talk(EngineChoice::Auto, said, "", End::Closed);
    (outcome.kind, outcome.phase)
}

#[test]
fn an_honest_host() {
    let last = receipt_line(0, false);
    let said = ["Welcome!\nto web\n", HELLO, PLACED, HEADER, ROWS, END, &last];
    let (outcome, receipt, answers) = talk(EngineChoice::Auto, &said, "\u{1e}\n", End::Closed);
    assert_eq!(outcome, HostOutcome::ok());
    assert!(matches!(&answers[0], Answer::Rows { batches, .. } if batches[0].len() == 1));
    assert_eq!(receipt.engine, "probe 9");
    assert_eq!((receipt.arch.as_str(), receipt.uid, receipt.root.as_str()), ("x86_64", Some(7), "/"));
    assert_eq!((receipt.placed.as_str(), receipt.removed), ("/tmp/.herdiff.1.x", Some(true)));
    assert_eq!((receipt.status, receipt.host_cpu_us, receipt.engine_sha256.len()), (Some(0), 5, 64));
}

#[test]
fn the_choice_of_the_engine() {
    let answer = |choice, hello: &str| {
        let mut dialogue = dialogue(choice);
        let sent = dialogue.stdout(hello.as_bytes()).unwrap().unwrap();
        let Reply::All(sent) = sent else { panic!("it asks for a password") };
        String::from_utf8(sent.concat()).unwrap()
    };
    let with = HELLO.replace("\"osqueryi\":\"\"", "\"osqueryi\":\"/usr/bin/osqueryi\"");
    assert!(
        answer(EngineChoice::Auto, &with).starts_with("osqueryi /usr/bin/osqueryi 0 go\nSELECT 1;\n.print ")
    );
    assert!(answer(EngineChoice::Osqueryi, &with).starts_with("osqueryi /usr/bin/osqueryi 0 go\n"));
    let probe = answer(EngineChoice::Probe, &with);
    assert!(probe.starts_with("probe ") && probe.ends_with("\nprobe"), "{probe}");
    assert_eq!(probe.lines().next().unwrap().split(' ').nth(2), Some("5"));
    assert_eq!(answer(EngineChoice::Auto, HELLO), probe);
    assert_eq!(answer(EngineChoice::Osqueryi, HELLO), "quit\n");
    assert_eq!(answer(EngineChoice::Auto, &HELLO.replace("x86_64", "mips")), "quit\n");
    // What an earlier visit left is not sent again; something else that is there does not count.
    let hash = ProbeBinary::for_arch("x86_64", b"probe".to_vec()).sha256().to_owned();
    let kept = |kept: &str| {
        answer(
            EngineChoice::Auto,
            &HELLO.replace("\"osqueryi\"", &format!("\"kept\":\" {kept}\",\"osqueryi\"")),
        )
    };
    assert!(kept(&hash).starts_with(&format!("probe {hash} kept go\n{{")) && kept(&hash).ends_with("}\n"));
    assert_eq!(kept(&hash[..63]), probe);
}

#[test]
fn a_missing_engine_names_the_architecture() {
    let hello = HELLO.replace("x86_64", "mips");
    let (outcome, receipt, _) = talk(EngineChoice::Auto, &[&hello, &receipt_line(0, false)], "", End::Closed);
    assert_eq!(outcome.kind, Kind::EngineMissing);
    assert!(outcome.detail.contains("architecture mips") && outcome.detail.contains("x86_64"), "{outcome:?}");
    assert_eq!(receipt.removed, Some(true));
}

#[test]
fn every_way_to_fail_has_its_outcome() {
    assert_eq!(kind(&[]), (Kind::EngineFailed, Some(Phase::Session)));
    assert_eq!(kind(&["This account is closed.\n"]), (Kind::EngineFailed, Some(Phase::Session)));
    assert_eq!(kind(&[&"spam\n".repeat(200)]), (Kind::MalformedOutput, Some(Phase::Session)));
    assert_eq!(kind(&[&"x".repeat(600)]), (Kind::MalformedOutput, Some(Phase::Session)));
    let fault = "\u{1e}{\"fault\":\"hash\",\"detail\":\"SHA-256 is 0\"}\n";
    assert_eq!(kind(&[HELLO, fault, &receipt_line(1, false)]), (Kind::EngineFailed, Some(Phase::Upload)));
    assert_eq!(kind(&[HELLO, PLACED]), (Kind::EngineFailed, Some(Phase::Run)), "the script was killed");
    assert_eq!(kind(&[HELLO, PLACED, "garbage\n"]), (Kind::MalformedOutput, Some(Phase::Run)));
    assert_eq!(kind(&[HELLO, PLACED, HEADER, &receipt_line(137, true)]), (Kind::Timeout, Some(Phase::Run)));
    assert_eq!(
        kind(&[HELLO, PLACED, HEADER, &receipt_line(139, false)]),
        (Kind::EngineFailed, Some(Phase::Run))
    );
    assert_eq!(kind(&[HELLO, PLACED, &receipt_line(126, false)]), (Kind::EngineFailed, Some(Phase::Run)));
    assert_eq!(kind(&[HELLO, PLACED, HEADER, &"{}\n".repeat(2000)]), (Kind::OutputLimit, Some(Phase::Run)));
    assert_eq!(
        kind(&[HELLO, PLACED, HEADER, "x\n", &receipt_line(0, false)]),
        (Kind::MalformedOutput, Some(Phase::Run))
    );
}

#[test]
fn a_cut_connection_keeps_what_came() {
    let broken = || End::Broken(HostOutcome::failed(Kind::Unreachable, Phase::Run, "cut"));
    let (outcome, receipt, answers) = talk(EngineChoice::Auto, &[HELLO, PLACED, HEADER, ROWS], "", broken());
    assert_eq!(outcome.kind, Kind::Unreachable);
    assert!(matches!(answers[0], Answer::Rows { .. }));
    assert_eq!((receipt.placed.as_str(), receipt.removed), ("/tmp/.herdiff.1.x", None), "not known");
    let all = [HELLO, PLACED, HEADER, ROWS, END, &receipt_line(0, false)];
    assert_eq!(talk(EngineChoice::Auto, &all, "", broken()).0, HostOutcome::ok(), "all was said before");
}

#[test]
fn what_the_engine_said_on_its_way_out_is_in_the_detail() {
    let said = [HELLO, PLACED, &receipt_line(127, false)];
    let (outcome, ..) = talk(EngineChoice::Auto, &said, "sh: ./herdiff-probe: not found\nlast", End::Closed);
    assert!(outcome.detail.contains("not found\\nlast"), "{outcome:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]
    #[test]
    fn no_host_can_break_it(
        parts in proptest::collection::vec(
            prop_oneof![
                Just(HELLO.to_owned()), Just(PLACED.to_owned()), Just(HEADER.to_owned()), Just(ROWS.to_owned()),
                Just(END.to_owned()), Just(receipt_line(3, true)), Just("\u{1e}{".to_owned()), ".{0,20}", Just("\n".to_owned()),
            ],
            0..12,
        ),
        cut: proptest::sample::Index,
    ) {
        let whole = parts.concat().into_bytes();
        let (first, second) = whole.split_at(cut.index(whole.len() + 1));
        let mut dialogue = dialogue(EngineChoice::Auto);
        for bytes in [first, second] {
            if dialogue.stdout(bytes).is_err() || dialogue.stderr(bytes).is_err() {
                break;
            }
        }
        let (_, answers, _) = dialogue.finish(End::Closed, &mut Receipt::default());
        prop_assert_eq!(answers.len(), 1);
    }
}

/// A host may ask for the password only where we asked it to make us root, and not once the script runs.
#[test]
fn the_password_is_asked_for_once_and_only_by_sudo() {
    let pack = Pack::parse(r#"{"queries":{"users":{"query":"SELECT 1"}}}"#).unwrap();
    let limits = Limits::default();
    let plan = Arc::new(Plan::new(&pack, &limits, Duration::from_secs(1)));
    let probes = vec![ProbeBinary::for_arch("x86_64", b"probe".to_vec())];
    let choice = EngineChoice::Probe;
    let orders = Arc::new(Orders {
        plan,
        limits: Arc::new(limits),
        choice,
        probes,
        osquery: Vec::new(),
        leave: false,
        prompt: Prompt::new(),
        budget: Budget::new(1 << 30, 1),
    });
    let asking = format!("We trust you have received the usual lecture.\n\u{1e}{}", orders.prompt.text());
    let asks = |privilege, said: &str, asking: &str| {
        let mut dialogue = Dialogue::new(Arc::clone(&orders), privilege, 0);
        dialogue.stdout(said.as_bytes()).unwrap();
        matches!(dialogue.stderr(asking.as_bytes()).unwrap(), Some(Reply::Password))
    };
    assert!(asks(Privilege::Sudo, "", &asking));
    assert!(
        !asks(Privilege::Sudo, "", "\u{1e}herdiff-0000000000000000-password"),
        "a prompt that was guessed"
    );
    assert!(!asks(Privilege::AsIs, "", &asking));
    assert!(!asks(Privilege::Sudo, HELLO, &asking), "the script runs already");
}

/// 64 KiB of blanks in a few hundred bytes.
fn bomb() -> String {
    let block = data_encoding::BASE64.encode(&lz4_flex::block::compress(&[b' '; 64 << 10]));
    format!("{{\"lz4\":\"{block}\",\"bytes\":65536}}\n")
}

/// What comes packed counts as what it takes of memory: for the host, and among all hosts.
#[test]
fn a_host_that_packs_well_pays_for_what_it_is_unpacked() {
    let sent = |total: u64, budget: &Arc<Budget>| {
        let mut dialogue = dialogue_within(EngineChoice::Auto, total, budget);
        let said = [HELLO, PLACED, HEADER].concat() + &bomb().repeat(4);
        let mut lines = said.split_inclusive('\n');
        lines.find_map(|line| dialogue.stdout(line.as_bytes()).err())
    };
    assert!(bomb().len() < 600);
    let refused = sent(100_000, &Budget::new(1 << 30, 1)).unwrap();
    assert_eq!((refused.kind, refused.phase), (Kind::OutputLimit, Some(Phase::Run)));
    assert!(refused.detail.contains("packed"), "{refused:?}");
    let refused = sent(1 << 30, &Budget::new(100_000, 4)).unwrap();
    assert!(refused.detail.contains("all hosts together"), "{refused:?}");
    assert_eq!(sent(1 << 30, &Budget::new(1 << 30, 4)), None);
}

/// What stayed on the host must be told, as an operator has to remove it.
#[test]
fn what_was_not_removed_is_in_the_receipt() {
    let last = receipt_line(0, false).replace("\"removed\":true", "\"removed\":false");
    let (outcome, receipt, _) =
        talk(EngineChoice::Auto, &[HELLO, PLACED, HEADER, ROWS, END, &last], "", End::Closed);
    assert_eq!((outcome.kind, receipt.removed), (Kind::Ok, Some(false)));
    assert_eq!(receipt.placed, "/tmp/.herdiff.1.x");
}
