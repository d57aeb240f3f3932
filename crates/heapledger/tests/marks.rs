//! Marks know their order and their process.
#![cfg(target_os = "linux")]

use heapledger::{Error, Figure, LineId, mark};

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
