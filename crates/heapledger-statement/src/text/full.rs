//! The text of a full statement: the sum, drawn.

use std::fmt;

use super::Text;
use super::row::{Row, rule, wrapped};
use super::words::biggest;
use crate::lines::{Role, Section};
use crate::units::grouped;
use crate::{Figure, LineId, StatedLine, Statement};

/// Unattributed ranges beyond this many are summed up in one row; the JSON has them all.
const RANGES_SHOWN: usize = 12;

impl fmt::Display for Statement {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = Text::of(self.into());
        let skew = match self.skew.as_exact() {
            Some(bytes) => format!("skew {bytes} B"),
            None => format!("skew {}{}", self.skew.mib(), text.mark(&self.skew)),
        };
        text.head(out, "statement", |nanoseconds| format!("read in {}", milliseconds(nanoseconds)), Some(skew))?;
        text.total(out, LineId::Rss, 2)?;
        writeln!(out, "  {}", Section::InUse.title())?;
        text.regions(out)?;
        text.rows(out, Section::InUse, &[LineId::Live])?;
        writeln!(out, "  {}", Section::Freed.title())?;
        let forecast = self.forecast();
        for (id, verb) in [
            (LineId::FreeSlots, "pinned by "),
            (LineId::ThreadCaches, ""),
            (LineId::Dirty, "last "),
            (LineId::Muzzy, "last "),
            (LineId::RetainedResident, "last "),
        ] {
            let when = if matches!(id, LineId::Dirty | LineId::Muzzy) { forecast.words_of(id) } else { String::new() };
            text.with_parts(out, id, verb, &when)?;
        }
        writeln!(out, "  {}", Section::Overhead.title())?;
        text.rows(out, Section::Overhead, &[])?;
        text.outside(out)?;
        text.unexplained(out, self)?;
        text.sum(out)?;
        text.beside(out)?;
        text.checks(out, self)?;
        text.tail(out)
    }
}

/// `6.1 ms`, from nanoseconds.
fn milliseconds(nanoseconds: u64) -> String {
    let tenths = nanoseconds / 100_000 + u64::from(nanoseconds % 100_000 >= 50_000);
    format!("{}.{} ms", tenths / 10, tenths % 10)
}

impl Text<'_> {
    /// A row, and below it its largest parts, and when they go back.
    fn with_parts(&mut self, out: &mut fmt::Formatter<'_>, id: LineId, verb: &str, when: &str) -> fmt::Result {
        let Some(stated) = self.of.line(id) else { return Ok(()) };
        self.row(out, 4, id.line().label, &stated.figure)?;
        let mut words = biggest(&stated.parts, verb, "");
        // Less than what is printed goes unnoticed.
        if !when.is_empty() && stated.figure.mib() != "0.0" {
            let joint = if words.is_empty() { "" } else { "; " };
            words = format!("{words}{joint}{when}");
        }
        if words.is_empty() { Ok(()) } else { wrapped(out, &format!("      {words}"), "        ") }
    }

    /// A row for each place that is not empty, and one sentence for those that are.
    fn outside(&mut self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(out, "  {}", Section::Outside.title())?;
        let lines = self.of.lines.iter().filter(|stated| stated.id.line().section == Section::Outside);
        let (empty, others): (Vec<&StatedLine>, Vec<&StatedLine>) =
            lines.partition(|stated| stated.figure == Figure::Exact(0));
        for stated in others {
            self.row(out, 4, stated.id.line().label, &stated.figure)?;
        }
        let names: Vec<&str> = empty.iter().map(|stated| stated.id.line().label).collect();
        if names.is_empty() { Ok(()) } else { wrapped(out, &format!("    0: {}", names.join("; ")), "       ") }
    }

    fn unexplained(&mut self, out: &mut fmt::Formatter<'_>, statement: &Statement) -> fmt::Result {
        self.total(out, LineId::Unexplained, 2)?;
        let (unattributed, gap) = (self.of.figure(LineId::Unattributed), self.of.figure(LineId::CounterGap));
        if unattributed.is_unknown() && gap.is_unknown() {
            return Ok(());
        }
        let mut kinds = String::new();
        if let Some(line) = self.of.line(LineId::CounterGap).filter(|line| line.figure != Figure::Exact(0)) {
            let words: Vec<String> =
                line.parts.iter().map(|part| format!("{} {}", part.name, exact_or_mib(&part.figure))).collect();
            kinds = format!(" ({})", words.join(", "));
        }
        let text =
            format!("      unattributed {}, counter gap {}{kinds}", exact_or_mib(&unattributed), exact_or_mib(&gap));
        wrapped(out, &text, "        ")?;
        let ranges = &statement.unattributed;
        let shown = if ranges.len() > RANGES_SHOWN + 1 { RANGES_SHOWN } else { ranges.len() };
        // The largest are the ones to look for.
        let mut largest: Vec<_> = ranges.iter().collect();
        largest.sort_by_key(|range| std::cmp::Reverse(range.figure.high()));
        for range in &largest[..shown] {
            writeln!(out, "      {:x}-{:x} {}", range.start, range.end, exact_or_mib(&range.figure))?;
        }
        if shown < largest.len() {
            let rest: Figure = largest[shown..].iter().map(|range| range.figure.clone()).sum();
            writeln!(out, "      {} more ranges {}", largest.len() - shown, exact_or_mib(&rest))?;
        }
        Ok(())
    }

    /// What the lines sum to: RSS, which is said so that a reader can add them up.
    fn sum(&mut self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (rss, unexplained) = (self.of.figure(LineId::Rss), self.of.figure(LineId::Unexplained));
        let lines = self.of.lines.iter().filter(|stated| stated.id.line().role == Role::Summand);
        let sum = lines.map(|stated| stated.figure.clone()).sum::<Figure>() + unexplained;
        let (Some(rss), false) = (rss.as_exact(), sum.is_unknown()) else {
            return wrapped(out, "  these lines do not sum to RSS: see why figures are unknown", "    ");
        };
        writeln!(out, "{}", rule())?;
        let label = match sum {
            Figure::Exact(bytes) if bytes == rss => "= RSS",
            // Where lines are intervals their sum is one that RSS lies in.
            Figure::Within { .. } if sum.admits(rss) => "= RSS, within",
            _ => "= not RSS: see the notes",
        };
        Row { indent: 2, label, figure: &sum, unit: true, note: "" }.write(out)
    }

    /// The checks that were judged, in one line; those that fail are notes below.
    fn checks(&mut self, out: &mut fmt::Formatter<'_>, statement: &Statement) -> fmt::Result {
        let held = statement.checks.iter().filter(|check| check.holds() == Some(true)).count();
        let failed = statement.checks.iter().filter(|check| check.holds() == Some(false)).count();
        let open = statement.checks.len() - held - failed;
        if statement.checks.is_empty() {
            return Ok(());
        }
        let mut text = format!("  checks: {held} hold");
        if failed > 0 {
            text.push_str(&format!(", {failed} FAILED"));
        }
        if open > 0 {
            text.push_str(&format!(", {open} not judged while things move"));
        }
        if let Some(backend) = statement.backend() {
            text.push_str(&format!("; pages by {backend}"));
        }
        wrapped(out, &text, "    ")
    }
}

/// `4096 B`, or an interval in MiB.
fn exact_or_mib(figure: &Figure) -> String {
    match figure.as_exact() {
        Some(bytes) => format!("{} B", grouped(bytes)),
        None => format!("{} MiB", figure.mib()),
    }
}
