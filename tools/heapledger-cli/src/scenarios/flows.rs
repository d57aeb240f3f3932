//! Where bytes went between two marks, as figures that can be checked.

use heapledger::{Figure, Held, Mark, PageFlow, RegionName, Verdicts, Went, Why};

use super::check::Measured;
use super::scene::{Scene, SceneError};

/// The page flow between two marks, or why there is none.
#[derive(Debug)]
pub struct Flows(Result<PageFlow, Why>);

impl Flows {
    /// Where the bytes of `before` are at `after`.
    ///
    /// # Errors
    /// The two are not an earlier and a later mark of this process.
    pub fn between(before: &Mark, after: &Mark) -> Result<Self, SceneError> {
        let since = after.since(before);
        let since = since.map_err(|source| SceneError::Refused { doing: "compare two marks", source })?;
        Ok(Self(since.flow))
    }

    /// What a region had in use at the first mark.
    pub fn in_use(&self, region: &str) -> Figure {
        self.figure(|flow| flow.row(region, Held::InUse).map_or(Figure::Exact(0), |row| row.bytes.clone()))
    }

    /// Of what a region had in use, how much is there at the second mark.
    pub fn of_used(&self, region: &str, went: &Went) -> Figure {
        self.figure(|flow| flow.row(region, Held::InUse).map_or(Figure::Exact(0), |row| row.went(went)))
    }

    /// Of what a region had used last and was free at the first mark, how much is there at the second mark.
    pub fn of_freed(&self, region: &str, went: &Went) -> Figure {
        self.figure(|flow| flow.row(region, Held::Freed).map_or(Figure::Exact(0), |row| row.went(went)))
    }

    /// Bytes that `from` had and `by` uses now, without their having left memory.
    pub fn reused(&self, from: &str, by: &str) -> Figure {
        self.figure(|flow| flow.reused(from, by))
    }

    /// The verdicts of the second mark, with what others use of what each region freed.
    pub fn verdicts(&self, mark: &Mark) -> Verdicts {
        let verdicts = mark.statement().verdicts();
        match &self.0 {
            Ok(flow) => verdicts.with_flow(flow),
            Err(_) => verdicts,
        }
    }

    /// Notes whether every row sums to what it began with.
    pub fn check_sums(&self, scene: &mut Scene, stage: &str) {
        let off = self.figure(|flow| {
            let off = |row: &&heapledger::FlowRow| {
                let sum = row.cells.iter().map(|cell| cell.bytes.clone()).sum::<Figure>();
                sum.is_unknown() || !embraces(&sum, &row.bytes)
            };
            Figure::exact(flow.rows().iter().filter(off).count() as u64)
        });
        let what = format!("count of rows of the flow to {stage} that do not sum");
        scene.exactly(&what, 0, Measured::from(off), "the cells of a row sum to what it began with");
    }

    fn figure(&self, of: impl FnOnce(&PageFlow) -> Figure) -> Figure {
        match &self.0 {
            Ok(flow) => of(flow),
            Err(why) => Figure::from(why.clone()),
        }
    }
}

/// Whether a sum of cells admits what the row began with: the intervals meet.
fn embraces(sum: &Figure, began: &Figure) -> bool {
    sum.ends().zip(began.ends()).is_some_and(|(sum, began)| sum.0 <= began.1 && began.0 <= sum.1)
}

/// Blocks of a region that is declared once.
pub fn region(name: &'static str) -> Went {
    Went::Region(RegionName::new(name, 0))
}
