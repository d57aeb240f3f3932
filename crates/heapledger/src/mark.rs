//! A mark: a statement, and a map of the pages that it is of.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use heapledger_statement::{Since, Statement, Why};

use crate::{Error, statement};

/// Numbers marks in the order in which they were taken.
static TAKEN: AtomicU64 = AtomicU64::new(0);

/// A [`Statement`] and a map of the pages that it was made from: see [`mark`].
#[derive(Debug)]
pub struct Mark {
    statement: Statement,
    order: u64,
    process: u32,
}

/// Takes a statement and keeps a compact map of its pages, so that the next mark can say where the bytes of each region
/// went: [`Mark::since`].
///
/// The map takes at most 1 byte for each resident 4 KiB page of the heap, and 8 more for each region on a page that several
/// share. It lies beside the heap, in a mapping that stands in the line of the ledger's own tables, and goes when the mark
/// is dropped.
///
/// # Errors
///
/// As [`statement()`]. That there is no map is no error: the flow then says why.
///
/// ```
/// # #[global_allocator]
/// # static LEDGER: heapledger::Ledger = heapledger::Ledger::new();
/// static WEIGHTS: heapledger::Region = heapledger::Region::new("weights");
///
/// let before = heapledger::mark()?;
/// let weights = WEIGHTS.scope(|| vec![1_u8; 1 << 20]);
/// let after = heapledger::mark()?;
/// println!("{}", after.since(&before)?.diff);
/// # drop(weights);
/// # Ok::<(), heapledger::Error>(())
/// ```
pub fn mark() -> Result<Mark, Error> {
    let statement = statement()?;
    Ok(Mark { statement, order: TAKEN.fetch_add(1, Relaxed), process: std::process::id() })
}

impl Mark {
    /// What every page was for at this moment.
    pub fn statement(&self) -> &Statement {
        &self.statement
    }

    /// The same mark under a name: the stage of the program that it was taken after.
    #[must_use]
    pub fn with_stage(mut self, stage: impl Into<String>) -> Self {
        self.statement.stage = Some(stage.into());
        self
    }

    /// What changed since an earlier mark of the same process, and where bytes went.
    ///
    /// # Errors
    ///
    /// [`Error::MarksOutOfOrder`] if `earlier` was taken later, [`Error::OtherProcess`] if one of the two was taken before
    /// a fork and the other after it. Statements know no order: `after.statement().since(before.statement())` compares any two.
    pub fn since(&self, earlier: &Mark) -> Result<Since, Error> {
        if self.process != earlier.process {
            return Err(Error::OtherProcess { earlier: earlier.process, later: self.process });
        }
        if earlier.order >= self.order {
            return Err(Error::MarksOutOfOrder);
        }
        let diff = self.statement.since(&earlier.statement);
        let flow = Err(Why::new("marks keep no page map yet", "use the difference"));
        Ok(Since { diff, flow })
    }
}
