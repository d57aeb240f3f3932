//! Statements of a subject, the finding that it is about, and what its remedy gained.

use heapledger::{Finding, FindingId, Statement};

pub fn take() -> Statement {
    heapledger::statement().expect("the ledger is installed")
}

/// What taking, judging and printing statements needs of code and of slabs is resident before anything is measured: it
/// would come out of the gain, which is told of RSS.
pub fn ready() {
    for _ in 0..2 {
        let statement = take();
        let findings: Vec<String> = statement.findings().iter().map(ToString::to_string).collect();
        std::hint::black_box((statement.to_string(), findings, statement.forecast().to_string()));
    }
}

pub fn find(statement: &Statement, id: FindingId) -> Option<Finding> {
    statement.findings().into_iter().find(|finding| finding.id == id)
}

pub fn found(statement: &Statement, id: FindingId) -> Finding {
    let finding = find(statement, id).unwrap_or_else(|| panic!("{} is not told\n{statement}", id.row().key));
    println!("{finding}");
    finding
}

/// By how much the finding's line fell; an interval where the line is one.
pub fn gained(finding: &Finding, before: &Statement, after: &Statement) -> (i64, i64) {
    let fell = before.figure(finding.gain_on) - after.figure(finding.gain_on);
    fell.ends().unwrap_or_else(|| panic!("{fell}\n{before}\n{after}"))
}

pub fn assert_gained(finding: &Finding, before: &Statement, after: &Statement) {
    let (low, high) = gained(finding, before, after);
    let inside = finding.gain.admits(low) && finding.gain.admits(high) && !finding.gain.is_unknown();
    assert!(inside, "{low} to {high} bytes were gained of {}\n{before}\n{after}", finding.gain);
}

pub fn assert_not_gained(finding: &Finding, before: &Statement, after: &Statement) {
    let (low, high) = gained(finding, before, after);
    let least = finding.gain.low().expect("it is known");
    assert!(high < least, "{low} to {high} bytes were gained without the remedy\n{before}\n{after}");
}
