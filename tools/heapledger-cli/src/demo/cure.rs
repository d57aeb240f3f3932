//! Findings applied to the program itself, as far as it can do that while it runs.

use heapledger::FindingId;

/// Does what the finding's remedy says; `false` where that is the programmer's to do, or needs a new process.
///
/// # Errors
/// jemalloc refused a setting.
pub fn apply(id: FindingId) -> Result<bool, heapledger::Error> {
    match id {
        FindingId::BackgroundThreadsOff => heapledger::configure().background_threads(true).map(|_| true),
        FindingId::DecayNever => {
            heapledger::configure().dirty_decay_ms(10_000)?.background_threads(true)?;
            Ok(true)
        }
        FindingId::OversizeArena | FindingId::ThreadCaches => heapledger::purge().map(|_| true),
        _ => Ok(false),
    }
}
