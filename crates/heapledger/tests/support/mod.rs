//! What several tests ask of a statement.
#![allow(dead_code, reason = "each test program uses a part of it")]

use heapledger::lines::Role;
use heapledger::{Figure, LineId, Statement};

pub fn take() -> Statement {
    heapledger::statement().expect("the ledger is installed")
}

pub fn exact(statement: &Statement, line: LineId) -> i64 {
    statement.figure(line).as_exact().unwrap_or_else(|| panic!("{} is not exact\n{statement}", line.key()))
}

/// The lines, and what is unexplained.
pub fn sum(statement: &Statement) -> Figure {
    let lines = statement.lines().iter().filter(|line| line.id.line().role == Role::Summand);
    lines.map(|line| line.figure.clone()).sum::<Figure>() + statement.figure(LineId::Unexplained)
}

/// What holds of every statement, also of one that is taken while everything moves: they embrace RSS.
pub fn sums(statement: &Statement) -> bool {
    let sum = sum(statement);
    statement.figure(LineId::Rss).as_exact().is_some_and(|rss| !sum.is_unknown() && sum.admits(rss))
}

pub fn assert_sums(statement: &Statement) {
    assert!(sums(statement), "{}\n{statement}", sum(statement));
}
