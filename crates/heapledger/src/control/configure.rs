//! jemalloc's settings, changed while the program runs.

use heapledger_core::RegionId;
use heapledger_probe::control::{self, Pages, Refused};
use heapledger_statement::SettingId;

use crate::Error;

/// What was changed, step by step, each as it was read back: made by [`configure`].
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Configured {
    changes: Vec<Change>,
}

/// One setting that was set.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Change {
    /// Which.
    pub setting: SettingId,
    /// What it was, in the unit that its name ends with; on is 1.
    pub before: i64,
    /// What it is, read back from jemalloc.
    pub after: i64,
    /// Of a decay time: arenas that have it now.
    pub arenas_set: Vec<u32>,
    /// Of a decay time: arenas that had another one than arenas to come, and keep it. jemalloc's arena for oversize
    /// blocks has 0 if it was made while no background threads ran; a program can have set others.
    pub arenas_left: Vec<u32>,
}

/// Changes settings of jemalloc in the running process; each takes effect at once, and is read back.
///
/// ```
/// # #[global_allocator]
/// # static LEDGER: heapledger::Ledger = heapledger::Ledger::new();
/// let configured = heapledger::configure().background_threads(true)?.dirty_decay_ms(1_000)?;
/// for change in configured.changes() {
///     println!("{}: {} -> {}", change.setting.row().key, change.before, change.after);
/// }
/// # heapledger::configure().background_threads(false)?;
/// # Ok::<(), heapledger::Error>(())
/// ```
///
/// A refusal is an [`Error::Refused`] that names the setting; what was set before it stays set. It works without a
/// [`Ledger`](crate::Ledger) too, for the jemalloc that is linked. A forked child has its parent's settings, but no
/// background threads until it starts some. Not for signal handlers.
pub fn configure() -> Configured {
    Configured::default()
}

impl Configured {
    /// Starts or stops the threads that purge by the decay times even while the program is idle.
    ///
    /// They wake a few times in each decay time, one for each CPU at most, and take a stack each. Memory that would
    /// have been given back at once without them (large blocks that were freed side by side) waits for its decay time
    /// too.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] where jemalloc was built without them.
    pub fn background_threads(self, on: bool) -> Result<Self, Error> {
        let before = control::background_threads()?;
        let after = control::set_background_threads(on)?;
        Ok(self.with(SettingId::BackgroundThread, i64::from(before), i64::from(after)))
    }

    /// How many of them there may be, from 1 to the number of CPUs (or `opt.max_background_threads`). They share the
    /// arenas.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] if that is 0 or too many.
    pub fn max_background_threads(self, most: usize) -> Result<Self, Error> {
        let before = control::max_background_threads()?;
        let after = control::set_max_background_threads(most)?;
        Ok(self.with(SettingId::MaxBackgroundThreads, number(before), number(after)))
    }

    /// How long dirty pages stay before they go back: 0 is not at all, -1 for ever. Applies to arenas to come and to
    /// every arena that had the same time as those until now; [`Change::arenas_left`] lists the others.
    ///
    /// The clock of each arena that is set begins anew, and background threads are restarted. Who moves it stands in
    /// the forecast: traffic, or background threads. 0 gives everything back at each free, and the next allocation
    /// faults it in again.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] if it is less than -1 or too large.
    pub fn dirty_decay_ms(self, ms: i64) -> Result<Self, Error> {
        self.decay(SettingId::DirtyDecayMs, Pages::Dirty, ms)
    }

    /// The same for muzzy pages. With 0, jemalloc's default, dirty pages are returned when their time has come; else
    /// they become muzzy: offered to the kernel, which takes them when it is short of memory, and counted in RSS until
    /// then.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] if it is less than -1 or too large.
    pub fn muzzy_decay_ms(self, ms: i64) -> Result<Self, Error> {
        self.decay(SettingId::MuzzyDecayMs, Pages::Muzzy, ms)
    }

    /// What was changed, in order.
    pub fn changes(&self) -> &[Change] {
        &self.changes
    }

    fn decay(mut self, setting: SettingId, pages: Pages, ms: i64) -> Result<Self, Error> {
        let _ours = RegionId::LEDGER.enter();
        let set = control::set_decay_ms(pages, ms)?;
        // jemalloc does not wake them when a decay time changes: from never, they would sleep for ever.
        if ms > 0 && control::background_threads()? {
            control::set_background_threads(false)?;
            control::set_background_threads(true)?;
        }
        self.changes.push(Change {
            setting,
            before: set.before_ms,
            after: set.after_ms,
            arenas_set: set.arenas_set,
            arenas_left: set.arenas_left,
        });
        Ok(self)
    }

    fn with(mut self, setting: SettingId, before: i64, after: i64) -> Self {
        let _ours = RegionId::LEDGER.enter();
        self.changes.push(Change { setting, before, after, arenas_set: Vec::new(), arenas_left: Vec::new() });
        self
    }
}

/// There are not so many CPUs.
fn number(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

impl From<Refused> for Error {
    fn from(refused: Refused) -> Self {
        Self::Refused { setting: refused.key, says: refused.to_string(), remedy: refused.remedy() }
    }
}
