//! What became of a forecast.

use heapledger_statement::{Figure, Forecast, ForecastCheck, LineId};

use crate::{Error, clock, statement};

/// Compares a [`Forecast`] of this process with what is found now.
pub trait CheckForecast {
    /// Takes a [`statement`], and says what should have been left of the pages that were free at the forecast, and what
    /// is dirty and muzzy now.
    ///
    /// It is a fair comparison while what was assumed of traffic is so: what was freed since is found too. Of a forecast
    /// of another process, or one that was read back, what should be left is unknown.
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

impl CheckForecast for Forecast {
    fn check(&self) -> Result<ForecastCheck, Error> {
        let now = statement()?;
        let found = now.figure(LineId::Dirty) + now.figure(LineId::Muzzy);
        let after = self.taken_ns.and_then(clock::since);
        let unknown = || Figure::unknown("the forecast is not of this process", "check it where it was made");
        let mut check = self.compare(after.unwrap_or_default(), found);
        if after.is_none() {
            check.said = unknown();
        }
        Ok(check)
    }
}
