//! The text of a page flow: a block for each region, of where its bytes went.

use std::fmt;

use super::NAME_COLUMNS;
use super::row::{Row, wrapped};
use super::words::{escaped, shortened};
use crate::{Figure, FlowCell, FlowRow, Held, PageFlow, RegionName, Went};

/// Rows beyond this many are summed up in one.
const ROWS_SHOWN: usize = 16;

/// What prints as less than a tenth of a MiB is summed up with others of its row.
const SHOWN_BYTES: i64 = (1 << 20) / 20 + 1;

impl fmt::Display for PageFlow {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(out, "heapledger page flow: where resident bytes of the first mark are at the second")?;
        let (shown, small): (Vec<&FlowRow>, Vec<&FlowRow>) =
            self.rows.iter().partition(|row| is_shown(&row.bytes) && row.held != Held::Absent);
        let (shown, beyond) = shown.split_at(shown.len().min(ROWS_SHOWN));
        for row in shown {
            write_row(out, row)?;
        }
        let rest: Vec<&FlowRow> = beyond.iter().chain(&small).copied().filter(|row| row.held != Held::Absent).collect();
        if !rest.is_empty() {
            let bytes: Figure = rest.iter().map(|row| row.bytes.clone()).sum();
            let label = format!("{} more", rest.len());
            Row { indent: 2, label: &label, figure: &bytes, unit: false, note: "" }.write(out)?;
        }
        for row in self.rows.iter().filter(|row| row.held == Held::Absent) {
            writeln!(out, "  came into memory")?;
            write_cells(out, &row.cells)?;
        }
        match self.given_back {
            Some(0) => {
                wrapped(out, "  jemalloc gave nothing back in between: what is in another region was reused", "    ")
            }
            Some(bytes) => {
                let text = format!(
                    "  jemalloc gave {} MiB back in between, touched or not: of what is in another region, so much can \
                     have left memory and come again",
                    Figure::exact(bytes).mib()
                );
                wrapped(out, &text, "    ")
            }
            None => wrapped(out, "  jemalloc does not say what it gave back in between", "    "),
        }
    }
}

fn is_shown(figure: &Figure) -> bool {
    figure.high().is_none_or(|bytes| bytes >= SHOWN_BYTES)
}

fn write_row(out: &mut fmt::Formatter<'_>, row: &FlowRow) -> fmt::Result {
    let name = named(&row.region);
    let label = match row.held {
        Held::InUse => format!("{name} had"),
        Held::Freed => format!("{name} had freed"),
        Held::Other => "pads of large blocks".to_owned(),
        Held::Absent => "came".to_owned(),
    };
    Row { indent: 2, label: &label, figure: &row.bytes, unit: false, note: "" }.write(out)?;
    write_cells(out, &row.cells)?;
    if row.allocated_again.high().is_some_and(|bytes| bytes >= SHOWN_BYTES) {
        let text = format!("      of its own, freed and allocated again {}", row.allocated_again.mib());
        wrapped(out, &text, "        ")?;
    }
    Ok(())
}

fn write_cells(out: &mut fmt::Formatter<'_>, cells: &[FlowCell]) -> fmt::Result {
    let (shown, small): (Vec<&FlowCell>, Vec<&FlowCell>) = cells.iter().partition(|cell| is_shown(&cell.bytes));
    for cell in shown {
        let note =
            if cell.reused != cell.bytes && matches!(cell.went, Went::Region(_)) && cell.reused != Figure::Exact(0) {
                format!("reused {}", cell.reused.mib())
            } else {
                String::new()
            };
        Row { indent: 4, label: &label(&cell.went), figure: &cell.bytes, unit: false, note: &note }.write(out)?;
    }
    let bytes: Figure = small.iter().map(|cell| cell.bytes.clone()).sum();
    if bytes == Figure::Exact(0) {
        return Ok(());
    }
    Row { indent: 4, label: "elsewhere", figure: &bytes, unit: false, note: "" }.write(out)
}

fn label(went: &Went) -> String {
    match went {
        Went::Own => "still its own".to_owned(),
        Went::Cached => "in thread caches".to_owned(),
        Went::Region(region) => format!("in {}", named(region)),
        Went::FreeSlots(region) if *region == RegionName::NOBODY => "free slots".to_owned(),
        Went::FreeSlots(region) if *region == RegionName::MIXED => "free, pinned by several".to_owned(),
        Went::FreeSlots(region) => format!("free, pinned by {}", shortened(&named(region), NAME_COLUMNS - 16)),
        Went::Dirty => "dirty".to_owned(),
        Went::Muzzy => "muzzy".to_owned(),
        Went::Retained => "retained, yet resident".to_owned(),
        Went::Pads => "pads of large blocks".to_owned(),
        Went::Moved => "changed while it was read".to_owned(),
        Went::Returned => "returned".to_owned(),
    }
}

fn named(region: &RegionName) -> String {
    if *region == RegionName::MIXED {
        return "several regions".to_owned();
    }
    if *region == RegionName::NOBODY {
        return "nobody".to_owned();
    }
    shortened(&escaped(&region.name), NAME_COLUMNS - 8)
}
