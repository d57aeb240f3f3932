//! What became of a forecast.

use heapledger_probe::read::{self, Jemalloc};
use heapledger_statement::{Figure, Forecast, ForecastCheck, LineId};

use crate::{Error, clock, statement};

/// Compares a [`Forecast`] of this process with what is found now.
pub trait CheckForecast {
    /// Takes a [`statement`], and says what should have been left of the pages that were free at the forecast, and what
    /// is dirty and muzzy now.
    ///
    /// It is a fair comparison while what was assumed of traffic is so: what was freed since is found too. Of a
    /// forecast of another process, or one that was read back, what should be left is unknown.
    ///
    /// # Errors
    ///
    /// Those of [`statement`].
    ///
    /// ```
    /// # #[global_allocator]
    /// # static LEDGER: heapledger::Ledger = heapledger::Ledger::new();
    /// use heapledger::CheckForecast;
    ///
    /// let forecast = heapledger::statement()?.forecast();
    /// println!("{forecast}");                         // 98.0 dirty, back in 11-22 s
    /// println!("{}", forecast.check()?);              // after 0.0 s: said 98.0 MiB, found 98.0 MiB: held
    /// # Ok::<(), heapledger::Error>(())
    /// ```
    fn check(&self) -> Result<ForecastCheck, Error>;
}

/// Address space of dirty and muzzy pages. Allocates nothing.
fn free_bytes() -> Option<u64> {
    let stats = read::stats(&Jemalloc).ok()?;
    Some((stats.pdirty + stats.pmuzzy) * stats.page_bytes)
}

impl CheckForecast for Forecast {
    fn check(&self) -> Result<ForecastCheck, Error> {
        // A statement allocates beyond thread caches a few hundred times, and each time may move jemalloc's clock: what
        // goes back by that was there when it was asked for.
        let before = free_bytes();
        let now = statement()?;
        let by_itself = before.zip(free_bytes()).map_or(0, |(before, after)| before.saturating_sub(after));
        let found = now.figure(LineId::Dirty) + now.figure(LineId::Muzzy) + Figure::up_to(by_itself);
        let after = self.taken_ns.and_then(clock::since);
        let unknown = || Figure::unknown("the forecast is not of this process", "check it where it was made");
        let mut check = self.compare(after.unwrap_or_default(), found);
        if after.is_none() {
            check.said = unknown();
        }
        Ok(check)
    }
}
