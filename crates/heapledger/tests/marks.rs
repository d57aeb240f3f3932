//! Marks know their order and their process.
#![cfg(target_os = "linux")]

use heapledger::{Error, Figure, LineId, mark};
use heapledger_harness::fork::in_a_child;

#[global_allocator]
static LEDGER: heapledger::Ledger = heapledger::Ledger::new();

#[test]
fn marks_out_of_order_are_refused_by_name() -> Result<(), Error> {
    let (first, second) = (mark()?, mark()?);
    assert!(second.since(&first).is_ok());
    assert_eq!(first.since(&second).err(), Some(Error::MarksOutOfOrder));
    assert_eq!(first.since(&first).err(), Some(Error::MarksOutOfOrder));
    // Statements know no order.
    let back = first.statement().since(second.statement());
    assert_eq!(back.figure(LineId::Rss), Figure::Exact(0) - second.since(&first)?.diff.rss());
    Ok(())
}

#[test]
fn more_maps_than_can_be_kept_are_refused_with_a_reason_and_the_statement_stands() -> Result<(), Error> {
    let marks = (0..257).map(|_| mark()).collect::<Result<Vec<_>, _>>()?;
    let without: Vec<String> =
        marks.iter().filter_map(|mark| mark.map_bytes().err()).map(ToString::to_string).collect();
    assert!(!without.is_empty() && without.len() < 257, "{}", without.len());
    assert!(without.iter().all(|why| why.contains("drop marks")), "{}", without[0]);
    let last = marks.last().expect("there are many");
    assert!(last.statement().figure(LineId::Rss).as_exact().is_some());
    let since = last.since(&marks[0])?;
    assert!(since.flow.is_err_and(|why| why.reason.contains("too many marks")));
    assert!(since.diff.rss().as_exact().is_some());
    Ok(())
}

#[test]
fn marks_from_before_and_after_a_fork_are_not_compared() -> Result<(), Error> {
    let parents = mark()?;
    let code = in_a_child(|| {
        let refused = mark().map(|childs| childs.since(&parents).err());
        let expected = Error::OtherProcess { earlier: std::os::unix::process::parent_id(), later: std::process::id() };
        match refused {
            Ok(Some(error)) if error == expected => 0,
            Ok(_) => 1,
            Err(_) => 2,
        }
    });
    assert_eq!(code, 0, "the code says what came instead");
    Ok(())
}
