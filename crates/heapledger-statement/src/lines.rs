//! The one table of lines: what a statement can say, where it stands, and whether it may be summed.
//!
//! Text, JSON and `docs/reading-the-statement.md` are generated from [`LINES`]. A new line is a new row of the table
//! and a new [`LineId`]; nothing else names lines.

mod table;

pub use table::LINES;

/// Names a line; [`LineId::line`] is its row of the table.
#[derive(Copy, Clone, Debug, Eq, PartialEq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum LineId {
    /// Resident set size, as the kernel counts it.
    Rss,
    /// The anonymous part of RSS.
    RssAnon,
    /// The file-backed part of RSS.
    RssFile,
    /// The shared-memory part of RSS.
    RssShmem,
    /// Live bytes by region.
    Live,
    /// What requests were rounded up by.
    Rounding,
    /// Blocks that threads keep for their next allocations.
    ThreadCaches,
    /// Freed pages that jemalloc keeps.
    Dirty,
    /// Freed pages that jemalloc offered to the kernel.
    Muzzy,
    /// jemalloc's own records.
    Base,
    /// The ledger's own tables.
    OwnTables,
    /// Address space that jemalloc keeps without memory behind it.
    Retained,
    /// Bytes swapped out.
    Swap,
    /// The page tables of the process.
    PageTables,
    /// Usable bytes of all live blocks.
    Usable,
    /// What jemalloc has handed out, thread caches and internal blocks included.
    Allocated,
    /// jemalloc's internal blocks, inside allocated.
    Internal,
    /// The highest RSS so far.
    PeakRss,
    /// What the control group is charged for.
    CgroupCurrent,
    /// What the control group may be charged for.
    CgroupLimit,
}

/// A group of lines that stand together, in the order in which they are printed.
#[derive(Copy, Clone, Debug, Eq, PartialEq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Section {
    /// RSS and the kernel's own split of it.
    Kernel,
    /// Bytes that the program holds.
    InUse,
    /// Bytes that the program freed and jemalloc keeps.
    Freed,
    /// What keeping books costs.
    Overhead,
    /// Bytes that are not in RSS.
    NotResident,
    /// Parts of other lines.
    OfWhich,
    /// Totals that the kernel or jemalloc states and that overlap the lines.
    Totals,
}

impl Section {
    /// Every section in printing order.
    pub const ALL: [Self; 7] =
        [Self::Kernel, Self::InUse, Self::Freed, Self::Overhead, Self::NotResident, Self::OfWhich, Self::Totals];

    /// The heading in the text.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Kernel => "RSS by the kernel",
            Self::InUse => "in use, as requested",
            Self::Freed => "freed, kept by jemalloc",
            Self::Overhead => "overhead",
            Self::NotResident => "not in RSS",
            Self::OfWhich => "of which",
            Self::Totals => "totals",
        }
    }
}

/// What may be done with a line.
#[derive(Copy, Clone, Debug, Eq, PartialEq, Hash)]
#[non_exhaustive]
pub enum Role {
    /// In a full statement its resident bytes are one of the terms that sum to RSS. A summary states it but does not
    /// sum.
    Summand,
    /// A part of the line named, which contains it; adding both would count it twice.
    OfWhich(LineId),
    /// Bytes that are not in RSS.
    NotResident,
    /// A total that overlaps other lines and is never added to them.
    Total,
}

/// Which bytes a line counts. Two lines of different measures are never subtracted in silence.
#[derive(Copy, Clone, Debug, Eq, PartialEq, Hash)]
#[non_exhaustive]
pub enum Measure {
    /// Bytes that the program asked for.
    Requested,
    /// Bytes of the size classes that the requests were rounded up to.
    Usable,
    /// Bytes in memory.
    Resident,
    /// Bytes of address space, in memory or not.
    Virtual,
    /// Bytes that the kernel charges to a group of processes.
    Charged,
}

impl Measure {
    /// The word in the JSON.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Requested => "requested",
            Self::Usable => "usable",
            Self::Resident => "resident",
            Self::Virtual => "virtual",
            Self::Charged => "charged",
        }
    }
}

/// One row of the table.
#[derive(Debug)]
#[non_exhaustive]
pub struct Line {
    /// Which line it is.
    pub id: LineId,
    /// Its id in the JSON: lower case words joined by `_`, unique and never reused for another meaning.
    pub key: &'static str,
    /// Where it stands.
    pub section: Section,
    /// What may be done with it.
    pub role: Role,
    /// Which bytes it counts.
    pub measure: Measure,
    /// Its name in the text, at most 28 columns.
    pub label: &'static str,
    /// What it is read from, and its formula.
    pub source: &'static str,
    /// One paragraph: what it is, when it is exact, what it is not.
    pub doc: &'static str,
}

impl LineId {
    /// Its row of the table.
    pub fn line(self) -> &'static Line {
        // The rows stand in the order of the enum, which a test asserts.
        &LINES[self as usize]
    }

    /// Its id in the JSON.
    pub fn key(self) -> &'static str {
        self.line().key
    }

    /// The line with this JSON id; `None` if this version of the table has none.
    pub fn from_key(key: &str) -> Option<Self> {
        LINES.iter().find(|line| line.key == key).map(|line| line.id)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn the_rows_stand_in_the_order_of_the_enum() {
        for (place, line) in LINES.iter().enumerate() {
            assert_eq!(line.id as usize, place, "{}", line.key);
            assert_eq!(line.id.line().key, line.key);
        }
    }

    #[test]
    fn every_line_id_is_unique_and_every_line_is_documented() {
        let mut keys = HashSet::new();
        for line in &LINES {
            assert!(keys.insert(line.key), "{} stands twice", line.key);
            assert!(line.key.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{}", line.key);
            assert!(line.label.len() <= 28, "{} has too long a label", line.key);
            assert!(line.doc.len() > 80 && line.doc.ends_with('.'), "{} wants a paragraph", line.key);
            assert!(!line.source.is_empty(), "{} wants a source", line.key);
            assert_eq!(LineId::from_key(line.key), Some(line.id));
        }
        assert_eq!(LineId::from_key("no_such_line"), None);
    }

    #[test]
    fn a_part_stands_in_a_line_of_the_table_and_never_in_itself() {
        for line in &LINES {
            if let Role::OfWhich(whole) = line.role {
                assert_ne!(whole, line.id);
                assert!(!matches!(whole.line().role, Role::OfWhich(_)), "{} is nested too deep", line.key);
            }
        }
    }
}
