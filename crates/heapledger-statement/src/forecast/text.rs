//! A forecast in words: `98.0 dirty, back in 11-22 s`.

use std::fmt;

use super::{Forecast, ForecastCheck, ForecastPart, When};
use crate::{Figure, LineId};

/// `98.0 dirty, back in 11-22 s; 3.0 muzzy, never back (muzzy_decay_ms is -1)`, in MiB; `nothing is free` if so.
///
/// `{:#}` adds to what never goes back the expression that would let it go.
impl fmt::Display for Forecast {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(why) = self.why() {
            return write!(out, "no forecast: {why}");
        }
        if self.parts().is_empty() {
            return out.write_str("nothing is free");
        }
        for (place, part) in self.parts().iter().enumerate() {
            if place > 0 {
                out.write_str("; ")?;
            }
            part.fmt(out)?;
        }
        Ok(())
    }
}

impl fmt::Display for ForecastPart {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = if self.line == LineId::Dirty { "dirty" } else { "muzzy" };
        write!(out, "{} {state}, {}", self.bytes.mib(), self.words())?;
        match self.remedy.filter(|_| out.alternate() && self.when == When::Never) {
            Some(remedy) => write!(out, ": {remedy}"),
            None => Ok(()),
        }
    }
}

impl ForecastPart {
    /// `back in 11-22 s`, or `never back (no background threads, nothing ticks)`.
    pub fn words(&self) -> String {
        match self.when {
            When::Never => format!("never back ({})", self.because),
            When::Within { from_ms, until_ms, .. } => {
                format!("back in {}-{} s", seconds(from_ms, until_ms, false), seconds(until_ms, until_ms, true))
            }
        }
    }
}

impl Forecast {
    /// When the pages of one line go, without how many they are, if they all go or stay for one reason; with, if not.
    pub(crate) fn words_of(&self, line: LineId) -> String {
        let parts: Vec<&ForecastPart> = self.parts().iter().filter(|part| part.line == line).collect();
        match parts[..] {
            [] => String::new(),
            [one] => one.words(),
            _ => {
                let words: Vec<String> =
                    parts.iter().map(|part| format!("{} {}", part.bytes.mib(), part.words())).collect();
                words.join(", ")
            }
        }
    }
}

/// Whole seconds where the window ends after ten, else tenths; rounded outwards.
fn seconds(ms: u64, until_ms: u64, up: bool) -> String {
    let unit = if until_ms >= 10_000 { 1_000 } else { 100 };
    let units = if up { ms.div_ceil(unit) } else { ms / unit };
    if unit == 1_000 { units.to_string() } else { format!("{}.{}", units / 10, units % 10) }
}

/// `after 12.0 s: said 0.0-98.0 MiB, found 34.1 MiB: held`.
impl fmt::Display for ForecastCheck {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let held = match self.holds() {
            Some(true) => "held",
            Some(false) => "did not hold",
            None => "not known",
        };
        let mib = |figure: &Figure| figure.mib();
        let after = self.after.as_secs_f64();
        write!(out, "after {after:.1} s: said {} MiB, found {} MiB: {held}", mib(&self.said), mib(&self.found))
    }
}
