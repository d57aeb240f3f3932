//! Findings applied to the program itself, as far as it can do that while it runs.

use heapledger::{Finding, FindingId};

/// Does what the finding's remedy says; `false` where that is the programmer's to do, or needs a new process.
///
/// # Errors
/// jemalloc refused a setting.
pub fn apply(finding: &Finding) -> Result<bool, heapledger::Error> {
    match finding.id {
        FindingId::BackgroundThreadsOff => heapledger::configure().background_threads(true).map(|_| true),
        FindingId::DecayNever => {
            // Which of the two never ends, or that both do, is in the remedy.
            let mut settings = heapledger::configure();
            if finding.remedy.contains("dirty_decay_ms") {
                settings = settings.dirty_decay_ms(10_000)?;
            }
            if finding.remedy.contains("muzzy_decay_ms") {
                settings = settings.muzzy_decay_ms(0)?;
            }
            settings.background_threads(true)?;
            Ok(true)
        }
        FindingId::OversizeArena | FindingId::ThreadCaches => heapledger::purge().map(|_| true),
        _ => Ok(false),
    }
}
