//! The text form: a table of at most 80 columns, MiB with one decimal beside exact bytes.

mod diff;
mod flow;
mod full;
mod row;
mod words;

use std::fmt;

use crate::lines::{LINES, Role, Section};
use crate::units::grouped;
use crate::view::View;
use crate::{Depth, Figure, LineId, RegionFigures, SettingId, Summary, Why};

use row::{Row, wrapped};
pub(crate) use words::escaped;
use words::{columns, shortened};

/// Regions beyond this many are summed up in one row; the JSON has them all.
const REGIONS_SHOWN: usize = 24;

/// The widest name of a region; a longer one loses its middle.
const NAME_COLUMNS: usize = 28;

impl fmt::Display for Summary {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = Text::of(self.into());
        text.head(out, "summary", |nanoseconds| format!("read in {} us", nanoseconds / 1000), None)?;
        text.kernel(out)?;
        writeln!(out, "  {}", Section::InUse.title_in(Depth::Quick))?;
        text.regions(out)?;
        text.all_regions(out)?;
        for section in [Section::Freed, Section::Overhead] {
            writeln!(out, "  {}", section.title_in(Depth::Quick))?;
            text.rows(out, section, &[])?;
        }
        text.beside(out)?;
        wrapped(out, "  a summary does not sum to RSS: it counts no pages", "  ")?;
        text.tail(out)
    }
}

pub(super) struct Text<'a> {
    of: View<'a>,
    /// Why figures are unknown, each reason once; its place plus one is the mark that stands beside the `?`.
    unknown: Vec<Why>,
}

impl<'a> Text<'a> {
    fn of(view: View<'a>) -> Self {
        Self { of: view, unknown: Vec::new() }
    }

    fn head(
        &self,
        out: &mut fmt::Formatter<'_>,
        what: &str,
        cost: impl FnOnce(u64) -> String,
        more: Option<String>,
    ) -> fmt::Result {
        let words = [
            self.of.pid.map(|pid| format!("pid {pid}")),
            self.of.stage.map(|stage| format!("stage {}", shortened(&escaped(stage), NAME_COLUMNS))),
            self.of.cost_ns.map(cost),
            more,
        ];
        let mut line = format!("heapledger {what}");
        for word in words.into_iter().flatten() {
            if columns(&line) + 3 + columns(&word) > row::COLUMNS {
                writeln!(out, "{line}")?;
                line = format!("  {word}");
            } else {
                line.push_str(&format!("   {word}"));
            }
        }
        writeln!(out, "{line}")
    }

    /// The mark of a figure: empty, or where the reason for not knowing it is printed.
    fn mark(&mut self, figure: &Figure) -> String {
        let Some(why) = figure.why() else { return String::new() };
        let place = self.unknown.iter().position(|known| *known == why).unwrap_or_else(|| {
            self.unknown.push(why);
            self.unknown.len() - 1
        });
        format!("[{}]", place + 1)
    }

    fn row(&mut self, out: &mut fmt::Formatter<'_>, indent: usize, label: &str, figure: &Figure) -> fmt::Result {
        let note = self.mark(figure);
        Row { indent, label, figure, unit: false, note: &note }.write(out)
    }

    fn kernel(&mut self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in LINES.iter().filter(|line| line.section == Section::Kernel) {
            self.total(out, line.id, if line.role == Role::Total { 2 } else { 4 })?;
        }
        Ok(())
    }

    /// A row with its unit if it is not indented below another.
    fn total(&mut self, out: &mut fmt::Formatter<'_>, id: LineId, indent: usize) -> fmt::Result {
        let figure = self.of.figure(id);
        let note = self.mark(&figure);
        Row { indent, label: id.line().label, figure: &figure, unit: indent <= 2, note: &note }.write(out)
    }

    /// Each region, with what is resident of it, or what was requested where nobody looked.
    fn regions(&mut self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = |region: &RegionFigures| region.resident.clone().unwrap_or(Figure::Exact(region.self_bytes()));
        let named: Vec<&RegionFigures> = self.of.regions.iter().filter(|region| !region.is_unused()).collect();
        // One row for the rest is worth it only if it stands for two rows or more.
        let shown = if named.len() > REGIONS_SHOWN + 1 { REGIONS_SHOWN } else { named.len() };
        for region in &named[..shown] {
            let name = escaped(&View::shown_name(region));
            let figure = bytes(region);
            let note = if figure.is_unknown() { self.mark(&figure) } else { blocks(region.blocks.live()) };
            Row { indent: 4, label: &shortened(&name, NAME_COLUMNS), figure: &figure, unit: false, note: &note }
                .write(out)?;
        }
        let rest = &named[shown..];
        if rest.is_empty() {
            return Ok(());
        }
        let figure = rest.iter().map(|region| bytes(region)).sum();
        self.row(out, 4, &format!("{} more regions", rest.len()), &figure)
    }

    fn all_regions(&mut self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let live = self.of.figure(LineId::Live);
        let count = self.of.regions.iter().map(|region| region.blocks.live()).fold(0, i64::wrapping_add);
        let note = if live.is_unknown() { self.mark(&live) } else { blocks(count) };
        Row { indent: 4, label: LineId::Live.line().label, figure: &live, unit: false, note: &note }.write(out)
    }

    /// The lines of a section that are stated, a row each.
    fn rows(&mut self, out: &mut fmt::Formatter<'_>, section: Section, without: &[LineId]) -> fmt::Result {
        for stated in self.of.lines.iter().filter(|stated| !without.contains(&stated.id)) {
            let line = stated.id.line();
            if line.section == section {
                self.row(out, 4, line.label, &stated.figure)?;
            }
        }
        Ok(())
    }

    /// What does not take part in the sum.
    fn beside(&mut self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.list(out, Section::NotResident, &[])?;
        self.list(out, Section::OfWhich, &[])?;
        self.list(out, Section::Totals, &[LineId::Rss, LineId::CgroupCurrent, LineId::CgroupLimit])?;
        self.cgroup(out)?;
        self.settings(out)
    }

    /// The lines of a section in one sentence.
    fn list(&mut self, out: &mut fmt::Formatter<'_>, section: Section, without: &[LineId]) -> fmt::Result {
        let mut parts = Vec::new();
        let stated = self.of.lines.iter().filter(|stated| !without.contains(&stated.id));
        for stated in stated.filter(|stated| stated.id.line().section == section) {
            let mark = self.mark(&stated.figure);
            let (label, mib) = (stated.id.line().label, stated.figure.mib());
            parts.push(format!("{label} {mib}{mark}{}", words::biggest(&stated.parts, " (", ")")));
        }
        wrapped(out, &format!("  {}: {}", section.title(), parts.join("; ")), "    ")
    }

    fn cgroup(&mut self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let current = self.of.figure(LineId::CgroupCurrent);
        let mark = self.mark(&current);
        let limit = self.of.line(LineId::CgroupLimit).map(|line| line.figure.clone());
        let of = match limit {
            None => "no limit of its own".to_owned(),
            Some(figure) => {
                let mark = self.mark(&figure);
                format!("of {}{mark}", figure.mib())
            }
        };
        wrapped(out, &format!("  {}: {}{mark} {of}", LineId::CgroupCurrent.line().label, current.mib()), "    ")
    }

    fn settings(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = [
            (SettingId::Threads, "threads"),
            (SettingId::ArenasInitialized, "arenas"),
            (SettingId::BackgroundThread, "background threads"),
            (SettingId::DirtyDecayMs, "dirty_decay_ms"),
            (SettingId::MuzzyDecayMs, "muzzy_decay_ms"),
            (SettingId::SystemThp, "huge pages"),
        ];
        let parts: Vec<String> = shown
            .iter()
            .filter_map(|(id, label)| self.of.setting(*id).map(|value| format!("{label} {value}")))
            .collect();
        if parts.is_empty() { Ok(()) } else { wrapped(out, &format!("  settings: {}", parts.join("; ")), "    ") }
    }

    /// Doubts, what was left out, and why figures are unknown.
    fn tail(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.of.retired_omitted > 0 {
            let count = self.of.retired_omitted;
            let regions = if count == 1 { "region" } else { "regions" };
            wrapped(out, &format!("  not shown: {count} retired {regions} without a live block"), "    ")?;
        }
        for doubt in self.of.doubts {
            wrapped(out, &format!("  note: {}; {}", escaped(&doubt.says), escaped(&doubt.remedy)), "    ")?;
        }
        for (place, why) in self.unknown.iter().enumerate() {
            let text = format!("  [{}] unknown: {}; {}", place + 1, escaped(&why.reason), escaped(&why.remedy));
            wrapped(out, &text, "      ")?;
        }
        Ok(())
    }
}

/// `310 554 blocks`, without the spaces where they would not fit beside the figures.
fn blocks(count: i64) -> String {
    let unit = if count == 1 { "block" } else { "blocks" };
    let text = format!("{} {unit}", grouped(count));
    if text.len() <= row::NOTE_COLUMNS { text } else { format!("{count} {unit}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_of_blocks_lose_their_spaces_before_they_leave_the_line() {
        assert_eq!(blocks(1), "1 block");
        assert_eq!(blocks(310_554), "310 554 blocks");
        assert_eq!(blocks(1_234_567_890), "1234567890 blocks");
    }
}
