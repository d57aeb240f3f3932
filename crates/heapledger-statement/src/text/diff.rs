//! The text of a difference: the lines that changed, signed, and the sum that is the change of RSS.

use std::fmt;

use super::row::{COLUMNS, Row, rule, wrapped};
use super::words::{columns, escaped, shortened};
use super::{NAME_COLUMNS, REGIONS_SHOWN, blocks};
use crate::lines::{Role, Section};
use crate::{Depth, Diff, Figure, LineId, Moment, Part, RegionChange, StatedLine, Why};

/// Sections whose lines get a row each.
const ROWS: [Section; 5] = [Section::InUse, Section::Freed, Section::Overhead, Section::Outside, Section::Unexplained];

/// Sections that are told in one sentence each.
const SENTENCES: [Section; 3] = [Section::NotResident, Section::OfWhich, Section::Totals];

/// Parts named under a row; the others are in the JSON.
const PARTS_NAMED: usize = 4;

impl fmt::Display for Diff {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = Text { of: self, unknown: Vec::new(), same: Vec::new() };
        text.head(out)?;
        for stated in self.lines.iter().filter(|stated| stated.id.line().section == Section::Kernel) {
            let total = stated.id.line().role == Role::Total;
            text.row(out, if total { 2 } else { 4 }, stated.id.line().label, &stated.figure, "")?;
        }
        for section in ROWS {
            text.section(out, section)?;
        }
        text.sum(out)?;
        for section in SENTENCES {
            text.sentence(out, section)?;
        }
        text.tail(out)
    }
}

struct Text<'a> {
    of: &'a Diff,
    /// Why figures are unknown, each reason once; its place plus one is the mark that stands beside the `?`.
    unknown: Vec<Why>,
    /// Lines that did not change.
    same: Vec<&'static str>,
}

impl Text<'_> {
    fn head(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (before, after) = (&self.of.before, &self.of.after);
        let stages = format!("{} -> {}", named(before), named(after));
        let pids = match (before.pid, after.pid) {
            (Some(one), Some(other)) if one == other => format!("pid {one}"),
            (one, other) => {
                let pid = |pid: Option<u32>| pid.map_or("?".to_owned(), |pid| pid.to_string());
                format!("pid {} -> {}", pid(one), pid(other))
            }
        };
        let mut line = "heapledger difference".to_owned();
        for word in [stages, pids] {
            if columns(&line) + 3 + columns(&word) > COLUMNS {
                writeln!(out, "{line}")?;
                line = format!("  {word}");
            } else {
                line.push_str(&format!("   {word}"));
            }
        }
        writeln!(out, "{line}")
    }

    fn mark(&mut self, figure: &Figure) -> String {
        let Some(why) = figure.why() else { return String::new() };
        let place = self.unknown.iter().position(|known| *known == why).unwrap_or_else(|| {
            self.unknown.push(why);
            self.unknown.len() - 1
        });
        format!("[{}]", place + 1)
    }

    fn row(
        &mut self,
        out: &mut fmt::Formatter<'_>,
        indent: usize,
        label: &str,
        figure: &Figure,
        note: &str,
    ) -> fmt::Result {
        let mark = self.mark(figure);
        let note = if mark.is_empty() { note } else { &mark };
        Row { indent, label, figure, unit: indent <= 2, note }.write_signed(out)
    }

    /// The lines of a section that changed, if any did.
    fn section(&mut self, out: &mut fmt::Formatter<'_>, section: Section) -> fmt::Result {
        let of = self.of;
        let lines = of.lines.iter().filter(|stated| stated.id.line().section == section);
        let (same, changed): (Vec<&StatedLine>, Vec<&StatedLine>) =
            lines.partition(|stated| stated.figure == Figure::Exact(0) && !self.has_news(stated));
        self.same.extend(same.iter().map(|stated| stated.id.line().label));
        if changed.is_empty() {
            return Ok(());
        }
        writeln!(out, "  {}", section.title_in(of.depth))?;
        for stated in changed {
            if stated.id == LineId::Live {
                self.regions(out)?;
            } else {
                self.row(out, 4, stated.id.line().label, &stated.figure, "")?;
                let words = biggest(&stated.parts);
                if !words.is_empty() {
                    wrapped(out, &format!("      {words}"), "        ")?;
                }
            }
        }
        Ok(())
    }

    /// Whether a line that did not change in sum has parts or regions that did.
    fn has_news(&self, stated: &StatedLine) -> bool {
        let regions = stated.id == LineId::Live && self.of.regions.iter().any(RegionChange::is_change);
        regions || stated.parts.iter().any(|part| part.figure != Figure::Exact(0))
    }

    fn regions(&mut self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of = self.of;
        let changed: Vec<&RegionChange> = of.regions.iter().filter(|region| region.is_change()).collect();
        let shown = if changed.len() > REGIONS_SHOWN + 1 { REGIONS_SHOWN } else { changed.len() };
        for region in &changed[..shown] {
            let name = if region.retired { format!("{} (retired)", region.name) } else { region.name.to_string() };
            let label = shortened(&escaped(&name), NAME_COLUMNS);
            let sign = if region.blocks > 0 { "+" } else { "" };
            self.row(out, 4, &label, &region.bytes(of.depth), &format!("{sign}{}", blocks(region.blocks)))?;
        }
        let rest = &changed[shown..];
        if rest.is_empty() {
            return Ok(());
        }
        let figure = rest.iter().map(|region| region.bytes(of.depth)).sum();
        self.row(out, 4, &format!("{} more regions", rest.len()), &figure, "")
    }

    /// What the lines sum to: the change of RSS.
    fn sum(&mut self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (rss, sum) = (self.of.rss(), self.of.sum());
        if self.of.depth == Depth::Quick {
            return wrapped(out, "  summaries do not sum to RSS: they count no pages", "    ");
        }
        let (Some(rss), false) = (rss.as_exact(), sum.is_unknown()) else {
            return wrapped(out, "  these lines do not sum to the change of RSS: see why figures are unknown", "    ");
        };
        writeln!(out, "{}", rule())?;
        let label = match sum {
            Figure::Exact(bytes) if bytes == rss => "= change of RSS",
            Figure::Within { .. } if sum.admits(rss) => "= change of RSS, within",
            _ => "= not the change of RSS",
        };
        Row { indent: 2, label, figure: &sum, unit: true, note: "" }.write_signed(out)
    }

    fn sentence(&mut self, out: &mut fmt::Formatter<'_>, section: Section) -> fmt::Result {
        let of = self.of;
        let mut parts = Vec::new();
        let lines = of.lines.iter().filter(|stated| stated.id.line().section == section && stated.id != LineId::Rss);
        for stated in lines {
            let label = stated.id.line().label;
            if stated.figure == Figure::Exact(0) {
                self.same.push(label);
                continue;
            }
            let mark = self.mark(&stated.figure);
            parts.push(format!("{label} {}{mark}", stated.figure.signed_mib()));
        }
        if parts.is_empty() {
            return Ok(());
        }
        wrapped(out, &format!("  {}: {}", section.title(), parts.join("; ")), "    ")
    }

    fn tail(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.same.is_empty() {
            wrapped(out, &format!("  unchanged: {}", self.same.join("; ")), "    ")?;
        }
        if !self.of.is_of_one_process() {
            wrapped(
                out,
                "  note: the two are of different processes, so that nothing is said of what lay between",
                "    ",
            )?;
        }
        for (place, why) in self.unknown.iter().enumerate() {
            let text = format!("  [{}] unknown: {}; {}", place + 1, escaped(&why.reason), escaped(&why.remedy));
            wrapped(out, &text, "      ")?;
        }
        Ok(())
    }
}

impl RegionChange {
    /// Whether anything that lives of it changed.
    fn is_change(&self) -> bool {
        let resident = self.resident.as_ref().is_some_and(|figure| *figure != Figure::Exact(0));
        resident || self.live_bytes != 0 || self.blocks != 0
    }

    fn bytes(&self, depth: Depth) -> Figure {
        match (&self.resident, depth) {
            (Some(resident), Depth::Full) => resident.clone(),
            _ => Figure::Exact(self.live_bytes),
        }
    }
}

fn named(moment: &Moment) -> String {
    let stage = moment.stage.as_deref().unwrap_or("(unnamed)");
    shortened(&escaped(stage), NAME_COLUMNS - 4)
}

/// The parts that changed most, largest first.
fn biggest(parts: &[Part]) -> String {
    let shown = parts.iter().filter(|part| part.figure.signed_mib() != "0.0").take(PARTS_NAMED);
    let words: Vec<String> = shown
        .map(|part| {
            let name = match &*part.name {
                Part::SHARED | Part::MIXED => "several regions".to_owned(),
                Part::NOBODY => "nobody".to_owned(),
                region => shortened(&escaped(region), NAME_COLUMNS - 4),
            };
            format!("{name} {}", part.figure.signed_mib())
        })
        .collect();
    words.join(", ")
}
