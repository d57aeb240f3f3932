//! The one table of lines: what a statement can say, where it stands, and whether it may be summed.
//!
//! Text, JSON and `docs/reading-the-statement.md` are generated from [`LINES`]. A new line is a new row of the table
//! and a new [`LineId`]; nothing else names lines.

mod ids;
mod table;

pub use ids::LineId;
pub use table::LINES;

/// How much is read for a report.
#[derive(Copy, Clone, Debug, Eq, PartialEq, Hash, PartialOrd, Ord)]
pub enum Depth {
    /// Counters and statistics: a summary.
    Quick,
    /// The pages too: a full statement.
    Full,
}

impl Depth {
    /// The word in the JSON.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Quick => "quick",
            Self::Full => "full",
        }
    }
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
    /// What is not jemalloc's.
    Outside,
    /// What no line explains.
    Unexplained,
    /// Bytes that are not in RSS.
    NotResident,
    /// Parts of other lines.
    OfWhich,
    /// Totals that the kernel or jemalloc states and that overlap the lines.
    Totals,
}

impl Section {
    /// Every section in printing order.
    pub const ALL: [Self; 9] = [
        Self::Kernel,
        Self::InUse,
        Self::Freed,
        Self::Overhead,
        Self::Outside,
        Self::Unexplained,
        Self::NotResident,
        Self::OfWhich,
        Self::Totals,
    ];

    /// The heading in the text of a full statement, and in the guide.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Kernel => "RSS by the kernel",
            Self::InUse => "in use",
            Self::Freed => "freed, still resident",
            Self::Overhead => "overhead",
            Self::Outside => "outside jemalloc",
            Self::Unexplained => "unexplained",
            Self::NotResident => "not in RSS",
            Self::OfWhich => "of which",
            Self::Totals => "totals",
        }
    }

    /// The heading in a text of this depth: a summary does not know what is resident.
    pub const fn title_in(self, depth: Depth) -> &'static str {
        match (depth, self) {
            (Depth::Quick, Self::InUse) => "in use, as requested",
            (Depth::Quick, Self::Freed) => "freed, kept by jemalloc",
            _ => self.title(),
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
    /// The least depth of a report that states it.
    pub depth: Depth,
    /// Where it stands.
    pub section: Section,
    /// What may be done with it.
    pub role: Role,
    /// Which bytes it counts; in a full statement every summand is resident, see [`Line::measure_in`].
    pub measure: Measure,
    /// Its name in the text, at most 28 columns.
    pub label: &'static str,
    /// What it is read from, and its formula.
    pub source: &'static str,
    /// The same in a full statement, if that differs; else empty.
    pub full_source: &'static str,
    /// One paragraph: what it is, when it is exact, what it is not.
    pub doc: &'static str,
}

impl Line {
    /// Which bytes it counts in a report of this depth.
    pub fn measure_in(&self, depth: Depth) -> Measure {
        match (depth, self.role) {
            (Depth::Full, Role::Summand) => Measure::Resident,
            _ => self.measure,
        }
    }

    /// What it is read from in a report of this depth.
    pub fn source_in(&self, depth: Depth) -> &'static str {
        if depth == Depth::Full && !self.full_source.is_empty() { self.full_source } else { self.source }
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
