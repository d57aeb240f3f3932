//! Judges the statements of a program under load (`probes/load.rs`), by its own books and by the faults that the kernel
//! counts from outside.

use std::io::{BufRead, BufReader, Write};
use std::process::{ChildStdout, Command, Stdio};

use heapledger::lines::Role;
use heapledger::{CheckId, Figure, LineId, Statement};
use heapledger_harness::settings;
use procfs::process::Process;
use serde_json::Value;

/// What one fault brings in; the probe's heap has no huge pages unless they are given to everybody.
const FAULT_BYTES: u64 = 4096;

/// What is of the same pages, and so can be judged while others allocate.
const AT_ANY_TIME: [CheckId; 4] = [CheckId::PagesSum, CheckId::SlotsByRegion, CheckId::Slabs, CheckId::LastOwners];

/// What was seen of one statement.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    /// Unexplained bytes, signed.
    pub unexplained: i64,
    /// The statement's own bound of them.
    pub skew: i64,
    /// 4 KiB for each fault that the kernel counted from before the statement to after it.
    pub faulted: u64,
    /// Bytes of large blocks whose free fell in the same time, by the load's own log.
    pub freed_large: u64,
    /// Bytes of the pages that jemalloc gave back in the same time, by its own count; address space, so an upper bound.
    /// Pages that small blocks leave go by decay, which no fault and no large block tells.
    pub purged: u64,
    /// Bytes allocated and freed meanwhile, by the statement.
    pub traffic: u64,
    /// Nanoseconds that the statement took.
    pub nanos: u64,
    /// Ends of all intervals, summed and subtracted.
    pub width: i64,
    /// RSS.
    pub rss: i64,
}

impl Sample {
    /// What the skew may be where nothing is given back but the load's own large blocks: twice what can have moved, by
    /// what was seen from outside.
    pub fn skew_without_decay(&self) -> u64 {
        2 * (self.faulted + self.freed_large)
    }

    /// What the skew may be: the same, and what jemalloc gave back of itself meanwhile.
    ///
    /// The skew is what was faulted in, and what the counters changed by. They rise by no more than was faulted in, and
    /// fall by no more than was given back; a page that jemalloc gives back is in its count, a large block of the load's
    /// perhaps twice.
    pub fn skew_allowed(&self) -> u64 {
        self.skew_without_decay() + self.purged
    }
}

/// Runs the probe and judges each statement; what does not hold is said in words.
///
/// # Panics
/// When the probe does not do its work.
pub fn run(mut command: Command, statements: usize) -> (Vec<Sample>, Vec<String>) {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).env_remove(settings::VARIABLE);
    let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let mut tell = child.stdin.take().expect("a pipe");
    let mut told = BufReader::new(child.stdout.take().expect("a pipe"));
    let process = Process::new(child.id().cast_signed()).expect("the probe lives");
    let (mut samples, mut wrong) = (Vec::new(), Vec::new());
    for number in 0..statements {
        let mut faults = [0; 2];
        for (faults, turn) in faults.iter_mut().zip(["before", "after"]) {
            let line = line(&mut told);
            assert_eq!(line["turn"], turn, "{line}");
            let stat = process.stat().expect("its stat can be read");
            *faults = stat.minflt + stat.majflt;
            tell.write_all(b"\n").expect("the probe listens");
        }
        let object = line(&mut told);
        let statement = Statement::from_json(object["statement"].as_str().expect("a statement")).expect("a statement");
        let (sample, said) = judge(&statement, &object, (faults[1] - faults[0]) * FAULT_BYTES);
        wrong.extend(said.into_iter().map(|said| format!("statement {number}: {said}\n{sample:?}\n{statement}")));
        samples.push(sample);
    }
    assert_eq!(line(&mut told)["done"], true);
    let status = child.wait().expect("a child can be waited for");
    assert!(status.success(), "{status:?}");
    (samples, wrong)
}

fn line(told: &mut BufReader<ChildStdout>) -> Value {
    let mut line = String::new();
    told.read_line(&mut line).expect("the probe prints text");
    serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"))
}

fn judge(statement: &Statement, object: &Value, faulted: u64) -> (Sample, Vec<String>) {
    let mut wrong = Vec::new();
    let exact = |figure: &Figure| figure.as_exact().unwrap_or_else(|| panic!("{figure}\n{statement}"));
    let lines = statement.lines().iter().filter(|line| line.id.line().role == Role::Summand);
    let sum = lines.map(|line| line.figure.clone()).sum::<Figure>();
    let (low, high) = sum.ends().unwrap_or_else(|| panic!("{sum}\n{statement}"));
    let stamps = [0, 1].map(|index| object["stamps"][index].as_u64().expect("a stamp"));
    let traffic = statement.traffic_bytes().expect("traffic is watched");
    let books: Vec<Book> = object["books"].as_array().expect("books").iter().map(Book::parse).collect();
    let sample = Sample {
        unexplained: exact(&statement.figure(LineId::Unexplained)),
        skew: exact(statement.skew()),
        faulted,
        freed_large: books.iter().filter(|book| book.name == "big").map(Book::freed).sum(),
        purged: object["purged"].as_u64().expect("bytes"),
        traffic: traffic.allocated + traffic.freed,
        nanos: stamps[1] - stamps[0],
        width: high - low,
        rss: exact(&statement.figure(LineId::Rss)),
    };
    if sample.unexplained.abs() > sample.skew {
        wrong.push(format!("unexplained {} is more than the skew", sample.unexplained));
    }
    if sample.skew.cast_unsigned() > sample.skew_allowed() {
        wrong.push(format!("the skew is more than {}", sample.skew_allowed()));
    }
    if !(low + sample.unexplained <= sample.rss && sample.rss <= high + sample.unexplained) {
        wrong.push(format!("the lines {sum} and unexplained do not sum to RSS"));
    }
    if statement.figure(LineId::SlabsResident).as_exact().is_none() {
        wrong.push("slabs are not exact".to_owned());
    }
    let traffic = sample.traffic.cast_signed();
    wrong.extend(books.iter().filter_map(|book| book.differs(statement, traffic)));
    wrong.extend(failed(statement));
    // Nothing in the probe calls jemalloc itself. Of the other lines of the heap no book can tell.
    let past = statement.figure(LineId::PastLedger);
    if past.low().is_none_or(|low| low > traffic) {
        wrong.push(format!("past the ledger {past}, and nothing passed it"));
    }
    (sample, wrong)
}

/// Checks of the statement's own that do not hold, and those that hold at any time and could not be judged.
fn failed(statement: &Statement) -> impl Iterator<Item = String> + use<'_> {
    let checks = statement.checks().iter();
    let failed = checks.filter(|check| check.holds() == Some(false));
    let failed = failed.map(|check| format!("the check {} fails by {}", check.id.key(), check.difference));
    let judged = |id: &CheckId| statement.checks().iter().any(|check| check.id == *id && check.holds().is_some());
    let missing = AT_ANY_TIME.into_iter().filter(move |id| !judged(id));
    failed.chain(missing.map(|id| format!("the check {} says nothing", id.key())))
}

/// What the load says of one region: the words of its book before and after the statement.
struct Book {
    name: String,
    before: [i64; 4],
    after: [i64; 4],
}

/// The order of the words.
const ALLOCATION_BEGUN: usize = 0;
const ALLOCATION_DONE: usize = 1;
const FREE_BEGUN: usize = 2;
const FREE_DONE: usize = 3;

impl Book {
    fn parse(value: &Value) -> Book {
        let words = |list: &Value| [0, 1, 2, 3].map(|index| list[index].as_i64().expect("a number"));
        let name = value[0].as_str().expect("a name").to_owned();
        Book { name, before: words(&value[1]), after: words(&value[2]) }
    }

    /// What may have been freed between the two.
    fn freed(&self) -> u64 {
        (self.after[FREE_BEGUN] - self.before[FREE_DONE]).cast_unsigned()
    }

    /// How the statement contradicts it: counted bytes must lie between its ends, resident ones within the traffic.
    fn differs(&self, statement: &Statement, traffic: i64) -> Option<String> {
        let low = self.before[ALLOCATION_DONE] - self.after[FREE_BEGUN];
        let high = self.after[ALLOCATION_BEGUN] - self.before[FREE_DONE];
        let name = &self.name;
        let Some(region) = statement.region(name) else {
            return (low > 0).then(|| format!("{name} has no figures, and {low}-{high} bytes live"));
        };
        let counted = region.usable_bytes.live();
        if !(low..=high).contains(&counted) {
            return Some(format!("{name}: {counted} by the counters, {low}-{high} by the load"));
        }
        let Some((from, to)) = region.resident.as_ref().and_then(Figure::ends) else {
            return Some(format!("{name}: what is resident of it is not known"));
        };
        // A block that is being written is not resident yet; in the rings that is one for each thread, within the
        // traffic.
        let low = if name == "big" { 0 } else { low };
        (from > high + traffic || to < low - traffic)
            .then(|| format!("{name}: {from}-{to} resident, {low}-{high} by the load"))
    }
}
