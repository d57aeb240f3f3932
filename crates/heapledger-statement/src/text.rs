//! The text form: a table of at most 80 columns, MiB with one decimal beside exact bytes.

mod row;
mod words;

use std::fmt;

use crate::lines::{LINES, Role, Section};
use crate::units::grouped;
use crate::{Figure, LineId, RegionFigures, SettingId, Summary, Why};

use row::{Row, wrapped};
use words::{escaped, shortened};

/// Regions beyond this many are summed up in one row; the JSON has them all.
const REGIONS_SHOWN: usize = 24;

/// The widest name of a region; a longer one loses its middle.
const NAME_COLUMNS: usize = 28;

impl fmt::Display for Summary {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = Text { summary: self, unknown: Vec::new() };
        text.head(out)?;
        text.kernel(out)?;
        text.in_use(out)?;
        text.summands(out, Section::Freed)?;
        text.summands(out, Section::Overhead)?;
        text.list(out, Section::NotResident, &[])?;
        text.list(out, Section::OfWhich, &[])?;
        text.list(out, Section::Totals, &[LineId::Rss, LineId::CgroupCurrent, LineId::CgroupLimit])?;
        text.cgroup(out)?;
        text.settings(out)?;
        wrapped(out, "  a summary does not sum to RSS: it counts no pages", "  ")?;
        text.tail(out)
    }
}

struct Text<'a> {
    summary: &'a Summary,
    /// Why figures are unknown, each reason once; its place plus one is the mark that stands beside the `?`.
    unknown: Vec<Why>,
}

impl Text<'_> {
    fn head(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let summary = self.summary;
        let mut head = "heapledger summary".to_owned();
        if let Some(pid) = summary.pid {
            head.push_str(&format!("   pid {pid}"));
        }
        if let Some(stage) = &summary.stage {
            head.push_str(&format!("   stage {}", shortened(&escaped(stage), NAME_COLUMNS)));
        }
        if let Some(nanoseconds) = summary.cost_ns {
            head.push_str(&format!("   read in {} us", nanoseconds / 1000));
        }
        wrapped(out, &head, "  ")
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
            let figure = self.summary.figure(line.id);
            let whole = line.role == Role::Total;
            let note = self.mark(&figure);
            Row { indent: if whole { 2 } else { 4 }, label: line.label, figure: &figure, unit: whole, note: &note }
                .write(out)?;
        }
        Ok(())
    }

    fn in_use(&mut self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(out, "  {}", Section::InUse.title())?;
        let named: Vec<&RegionFigures> = self.summary.regions.iter().filter(|region| !region.is_unused()).collect();
        // One row for the rest is worth it only if it stands for two rows or more.
        let shown = if named.len() > REGIONS_SHOWN + 1 { REGIONS_SHOWN } else { named.len() };
        for region in &named[..shown] {
            let mut name = escaped(&region.name);
            if region.retired {
                name.push_str(" (retired)");
            }
            let figure = Figure::Exact(region.self_bytes());
            let note = blocks(region.blocks.live());
            Row { indent: 4, label: &shortened(&name, NAME_COLUMNS), figure: &figure, unit: false, note: &note }
                .write(out)?;
        }
        let rest = &named[shown..];
        if !rest.is_empty() {
            let figure = rest.iter().map(|region| Figure::Exact(region.self_bytes())).sum();
            let label = format!("{} more regions", rest.len());
            self.row(out, 4, &label, &figure)?;
        }
        let live = self.summary.figure(LineId::Live);
        let count = self.summary.regions.iter().map(|region| region.blocks.live()).fold(0, i64::wrapping_add);
        let note = if live.is_unknown() { self.mark(&live) } else { blocks(count) };
        Row { indent: 4, label: LineId::Live.line().label, figure: &live, unit: false, note: &note }.write(out)
    }

    fn summands(&mut self, out: &mut fmt::Formatter<'_>, section: Section) -> fmt::Result {
        writeln!(out, "  {}", section.title())?;
        for line in LINES.iter().filter(|line| line.section == section) {
            let figure = self.summary.figure(line.id);
            self.row(out, 4, line.label, &figure)?;
        }
        Ok(())
    }

    /// The lines of a section in one sentence.
    fn list(&mut self, out: &mut fmt::Formatter<'_>, section: Section, without: &[LineId]) -> fmt::Result {
        let mut parts = Vec::new();
        for line in LINES.iter().filter(|line| line.section == section && !without.contains(&line.id)) {
            let figure = self.summary.figure(line.id);
            let mark = self.mark(&figure);
            parts.push(format!("{} {}{mark}", line.label, figure.mib()));
        }
        wrapped(out, &format!("  {}: {}", section.title(), parts.join("; ")), "    ")
    }

    fn cgroup(&mut self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let current = self.summary.figure(LineId::CgroupCurrent);
        let mark = self.mark(&current);
        let limit =
            self.summary.lines.iter().find(|line| line.id == LineId::CgroupLimit).map(|line| line.figure.clone());
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
            .filter_map(|(id, label)| self.summary.setting(*id).map(|value| format!("{label} {value}")))
            .collect();
        if parts.is_empty() { Ok(()) } else { wrapped(out, &format!("  settings: {}", parts.join("; ")), "    ") }
    }

    /// Doubts, what was left out, and why figures are unknown.
    fn tail(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.summary.retired_omitted > 0 {
            let count = self.summary.retired_omitted;
            let regions = if count == 1 { "region" } else { "regions" };
            wrapped(out, &format!("  not shown: {count} retired {regions} without a live block"), "    ")?;
        }
        for doubt in &self.summary.doubts {
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
