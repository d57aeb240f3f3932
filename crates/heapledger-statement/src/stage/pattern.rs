//! The three patterns: what came and went, what stayed, and what grew without RSS growing.

use crate::{Figure, Held, PageFlow, RegionChange, RegionName, Since, Statement, Went, Why};

/// What one region did within a stage: temporary and persistent in requested bytes, whose sum is what it allocated;
/// reusing in resident bytes.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Pattern {
    /// The region.
    pub region: RegionName,
    /// Allocated within the stage and freed within it. The counters do not tell one block from another, so it is an
    /// interval where older blocks were freed too.
    pub temporary_bytes: Figure,
    /// Allocated within the stage and live at its end.
    pub persistent_bytes: Figure,
    /// In use at the end of the stage, on pages that were in memory at its beginning and that the region did not use
    /// then: it grew by so much without RSS growing.
    pub reusing_bytes: Figure,
}

/// For each region that allocated, freed, or grew onto others' pages; those that kept most first.
pub(super) fn of(change: &Since, after: &Statement) -> Vec<Pattern> {
    let mut patterns: Vec<Pattern> = change
        .diff
        .regions()
        .iter()
        .map(|region| pattern(region, change, after))
        .filter(|pattern| {
            [&pattern.temporary_bytes, &pattern.persistent_bytes].iter().any(|figure| **figure != Figure::Exact(0))
                || pattern.reusing_bytes.high().is_some_and(|bytes| bytes > 0)
        })
        .collect();
    let size = |pattern: &Pattern| pattern.persistent_bytes.high().max(pattern.temporary_bytes.high());
    patterns.sort_by(|left, right| size(right).cmp(&size(left)).then_with(|| left.region.cmp(&right.region)));
    patterns
}

fn pattern(region: &RegionChange, change: &Since, after: &Statement) -> Pattern {
    let live_after = after
        .regions()
        .iter()
        .find(|other| other.name == region.name && other.generation == region.generation)
        .map_or(0, |other| other.self_bytes());
    let (temporary_bytes, persistent_bytes) = match region.between {
        Some(between) => came_and_stayed(between.requested_bytes.allocated, between.requested_bytes.freed, live_after),
        None => {
            let why = Why::new(
                "the counters of the region at both marks are not known",
                "keep the region's owner until the stage is over",
            );
            (Figure::from(why.clone()), Figure::from(why))
        }
    };
    let name = RegionName::new(region.name.clone(), region.generation);
    let reusing_bytes = match &change.flow {
        Ok(flow) => reusing(flow, &name),
        Err(why) => Figure::from(why.clone()),
    };
    Pattern { region: name, temporary_bytes, persistent_bytes, reusing_bytes }
}

/// Of `allocated` bytes, what was freed again and what lives, where `freed` bytes were freed in all.
///
/// Not more came and went than was allocated, nor than was freed; and not less than what is missing of the allocated
/// from what lives, nor than what was freed beyond all that lived before.
fn came_and_stayed(allocated: u64, freed: u64, live_after: i64) -> (Figure, Figure) {
    let (came, went, after) = (i128::from(allocated), i128::from(freed), i128::from(live_after));
    let before = after - came + went;
    let high = came.min(went);
    let low = (came - after).max(went - before).clamp(0, high.max(0));
    let figure = |low: i128, high: i128| match (i64::try_from(low), i64::try_from(high)) {
        (Ok(low), Ok(high)) => Figure::within(low, high),
        _ => Figure::exact(u64::MAX),
    };
    (figure(low, high), figure(came - high, came - low))
}

/// What the region uses at the second mark of pages that were not its own in use at the first.
fn reusing(flow: &PageFlow, region: &RegionName) -> Figure {
    let mut sum = Figure::Exact(0);
    for row in flow.rows() {
        for cell in &row.cells {
            let of_others = matches!(&cell.went, Went::Region(other) if other == region);
            let of_its_own = row.region == *region && row.held == Held::Freed && cell.went == Went::Own;
            if of_others || of_its_own {
                sum = sum + cell.reused.clone();
            }
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_into_an_empty_region_and_went_is_told_exactly() {
        assert_eq!(came_and_stayed(100, 30, 70), (Figure::Exact(30), Figure::Exact(70)));
        assert_eq!(came_and_stayed(100, 100, 0), (Figure::Exact(100), Figure::Exact(0)));
    }

    #[test]
    fn what_only_came_is_persistent_and_what_only_went_is_neither() {
        assert_eq!(came_and_stayed(100, 0, 140), (Figure::Exact(0), Figure::Exact(100)));
        assert_eq!(came_and_stayed(0, 40, 60), (Figure::Exact(0), Figure::Exact(0)));
    }

    #[test]
    fn where_older_blocks_may_have_gone_too_it_is_an_interval() {
        // 50 lived before, 100 came, 80 went, 70 live: of the 80, at most 50 are older ones.
        assert_eq!(came_and_stayed(100, 80, 70), (Figure::within(30, 80), Figure::within(20, 70)));
    }
}
