//! A statement: the readings of a summary, and a walk over all pages between them.

use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::Relaxed;

use heapledger_core::{RegionId, current, is_installed};
use heapledger_statement::Statement;

use crate::lock::Turn;
use crate::mapped::Mapped;
use crate::{Error, readings, warnings};

/// The process whose last statement warmed up what a statement touches; 0 if there was none.
static WARMED: AtomicU32 = AtomicU32::new(0);

/// Every resident byte of the process on a named line: [`Statement`].
///
/// Reads the kernel's status of the process, the counters of every region, jemalloc's statistics after one refresh,
/// every page with the extent and the owner that it belongs to, and the kernel's status again, which is the statement's
/// RSS. The lines sum to it: what no rule claims is `unattributed` by address, and what the kernel counts and nobody
/// found is the `counter gap`; neither is computed as a remainder. In a quiet process the gap is 0.
///
/// What is not known is said by name: if pages cannot be read, or jemalloc is not the one whose records are understood,
/// the lines concerned are bounds and a doubt has the reason. `HEAPLEDGER_WALK=off` in the environment turns the
/// reading of jemalloc's records off.
///
/// Live blocks of a region and thread caches are intervals where small blocks were allocated and never written, each as
/// wide at most as what threads cache of the classes concerned; they are exact where a class's slabs are resident as a
/// whole.
///
/// # Cost
/// On Linux 6.18 and two virtual CPUs about 0.5 ms and 1.6 ms for each resident GiB of large blocks, 5 ms of small
/// ones, 8 ms where several regions meet on every page, and 3 ms for each GiB of addresses that were read and never
/// written; `docs/decisions/0009-what-a-statement-costs.md` has it by shape and size, and the statement states its own.
/// The first one in a process costs twice that, for it reads everything twice: once so that what it touches itself is
/// resident. Its buffers, about 2 MiB, are kept for the next and have a line. The kernel's lock of the address space is
/// held for at most 64 MiB at a time, so that other threads can map and fault meanwhile.
///
/// What it allocates is charged to `~ledger`; between its first and its last reading it allocates nothing. One
/// statement is taken at a time: another thread waits for its turn. It may be called from inside a region, from a
/// thread-local destructor or from a panic hook, and in a forked child reads the child, whoever was taking a statement
/// in the parent. It may not be called from a signal handler.
///
/// # Errors
///
/// [`Error::NotInstalled`] if no [`Ledger`](crate::Ledger) is the global allocator, [`Error::OutOfMemory`] if there is
/// no room for the counters, [`Error::Busy`] if other statements did not end for half a minute.
///
/// ```
/// # #[global_allocator]
/// # static LEDGER: heapledger::Ledger = heapledger::Ledger::new();
/// let statement = heapledger::statement()?.with_stage("start");
/// println!("{statement}");
/// # Ok::<(), heapledger::Error>(())
/// ```
pub fn statement() -> Result<Statement, Error> {
    taken(false).map(|(statement, _)| statement)
}

/// A statement, and with `map` what a mark keeps beside it.
pub(crate) fn taken(map: bool) -> Result<(Statement, Option<Mapped>), Error> {
    if !is_installed() {
        return Err(Error::NotInstalled);
    }
    let caller = current();
    let _ours = RegionId::LEDGER.enter();
    let turn = Turn::wait()?;
    let process = std::process::id();
    // Relaxed: who has the turn sees what the last one stored.
    let warm = WARMED.load(Relaxed) == process;
    let (readings, pages, mapped) = readings::take_full(warm, map)?;
    WARMED.store(process, Relaxed);
    drop(turn);
    let statement = Statement::from_readings(readings, pages);
    // A logger may take statements itself, so the turn was given back.
    warnings::warn_once(statement.doubts(), |line| statement.figure(line), caller);
    Ok((statement, mapped))
}
