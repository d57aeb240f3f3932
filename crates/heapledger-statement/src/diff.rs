//! What changed between two statements: every line signed, and their sum the change of RSS.

use std::borrow::Cow;
use std::collections::HashMap;

use crate::lines::{LINES, Role};
use crate::view::View;
use crate::{Depth, Figure, Flow, LineId, Part, RegionFigures, StatedLine, Statement, Summary};

/// What the later of two statements says less what the earlier one says, line by line.
///
/// The lines that are summands and [`LineId::Unexplained`] sum to the change of RSS, exactly where all are exact, and
/// else embrace it, since both statements do. A line that is unknown in one of the two is unknown here, with that
/// reason. Regions and parts are matched by name and generation, never by their place in the ledger, so the two may be
/// of different processes or come from JSON; what is missing on one side counts as 0 there, if that side looked.
///
/// It says by how much each line changed, NOT where bytes went from one line to another: that is the page flow of two
/// marks. Nothing is read; it costs a pass over the lines and regions of both.
///
/// `Display` prints it at 80 columns; with feature `serde`, `to_json` gives one line of JSON.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Diff {
    /// The earlier of the two.
    pub before: Moment,
    /// The later of the two.
    pub after: Moment,
    pub(crate) depth: Depth,
    pub(crate) lines: Vec<StatedLine>,
    pub(crate) regions: Vec<RegionChange>,
}

/// Which statement one side of a difference is.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Moment {
    /// The name that the caller gave to it.
    pub stage: Option<String>,
    /// The process that it is of.
    pub pid: Option<u32>,
}

/// What changed of one region. Bytes and blocks are those that live, later less earlier.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RegionChange {
    /// Its name.
    pub name: Cow<'static, str>,
    /// How many regions had its id before it; with the name, what tells it from a namesake.
    pub generation: u32,
    /// Whether its owner has dropped it by the later statement.
    pub retired: bool,
    /// Requested bytes.
    pub live_bytes: i64,
    /// Bytes of the size classes.
    pub usable_bytes: i64,
    /// Blocks.
    pub blocks: i64,
    /// Resident usable bytes of live blocks; `None` if either side counts no pages.
    pub resident: Option<Figure>,
    /// What was allocated and freed in between; `None` if the two are of different processes, or a side left the region
    /// out because nothing of it lived.
    pub between: Option<Between>,
}

/// What was allocated and freed between two statements of one process. The difference of the words is the change of
/// what lives; a region that allocated and freed the same shows here and nowhere else.
#[derive(Copy, Clone, Debug, Default, Eq, PartialEq)]
pub struct Between {
    /// Bytes requested, and requested bytes of the blocks that were freed.
    pub requested_bytes: Flow,
    /// The same in bytes of the size classes.
    pub usable_bytes: Flow,
    /// Blocks.
    pub blocks: Flow,
}

impl Diff {
    /// By how much a line changed. A line that neither side states is unknown, with that as its reason.
    pub fn figure(&self, id: LineId) -> Figure {
        crate::summary::figure_of(&self.lines, id)
    }

    /// All lines that either side states, in the order of the table. The parts of [`LineId::Live`] are the regions.
    pub fn lines(&self) -> &[StatedLine] {
        &self.lines
    }

    /// By how much one part of a line changed: resident bytes of a region, its dirty pages, what it pins alone. `None`
    /// if neither side has such a part; for a region that means 0. Of namesakes, the one of the latest generation.
    pub fn part(&self, id: LineId, name: &str) -> Option<Figure> {
        if id == LineId::Live {
            return self.region(name).and_then(|region| region.resident.clone());
        }
        crate::summary::part_of(&self.lines, id, name)
    }

    /// Every region that either side has, those that changed most first.
    pub fn regions(&self) -> &[RegionChange] {
        &self.regions
    }

    /// The region of this name, of the latest generation.
    pub fn region(&self, name: &str) -> Option<&RegionChange> {
        self.regions.iter().filter(|region| region.name == name).max_by_key(|region| region.generation)
    }

    /// By how much RSS changed, as the kernel counts it.
    pub fn rss(&self) -> Figure {
        self.figure(LineId::Rss)
    }

    /// What the lines sum to, unexplained included: it admits [`Diff::rss`]. Unknown where a line is, and between two
    /// summaries, whose lines do not sum.
    pub fn sum(&self) -> Figure {
        if self.depth == Depth::Quick {
            return Figure::unknown("a summary does not sum to RSS: it counts no pages", "compare two statements");
        }
        let lines = self.lines.iter().filter(|stated| stated.id.line().role == Role::Summand);
        lines.map(|stated| stated.figure.clone()).sum::<Figure>() + self.figure(LineId::Unexplained)
    }

    /// Whether both sides are of one process, as far as its number tells.
    pub fn is_of_one_process(&self) -> bool {
        self.before.pid.is_some() && self.before.pid == self.after.pid
    }
}

impl Statement {
    /// What changed since an earlier statement: this less `before`.
    ///
    /// Any two statements can be compared, also of other processes and read back from JSON. The order of the two is the
    /// caller's: nothing in a statement says which is the later.
    pub fn since(&self, before: &Statement) -> Diff {
        diff(before.into(), self.into())
    }
}

impl Summary {
    /// What changed since an earlier summary: this less `before`. Its lines do not sum to anything.
    pub fn since(&self, before: &Summary) -> Diff {
        diff(before.into(), self.into())
    }
}

fn diff(before: View<'_>, after: View<'_>) -> Diff {
    let ids = LINES.iter().map(|line| line.id);
    let lines = ids.filter_map(|id| line(before.line(id), after.line(id), id)).collect();
    Diff {
        before: Moment::of(&before),
        after: Moment::of(&after),
        depth: after.depth,
        lines,
        regions: regions(&before, &after),
    }
}

impl Moment {
    fn of(view: &View<'_>) -> Self {
        Self { stage: view.stage.map(str::to_owned), pid: view.pid }
    }
}

/// `None` if neither states it.
fn line(before: Option<&StatedLine>, after: Option<&StatedLine>, id: LineId) -> Option<StatedLine> {
    let figure = |line: Option<&StatedLine>| match line {
        Some(line) => line.figure.clone(),
        None => Figure::unknown(
            format!("only one of the two states the line {}", id.key()),
            "compare two that were taken in the same way",
        ),
    };
    before.or(after)?;
    let parts = match (before, after) {
        (Some(before), Some(after)) if has_parts(before) && has_parts(after) => parts(&before.parts, &after.parts),
        _ => Vec::new(),
    };
    Some(StatedLine { id, figure: figure(after) - figure(before), parts })
}

/// Whether a part that is missing is 0: a line without parts has none, or they are not known.
fn has_parts(line: &StatedLine) -> bool {
    !line.parts.is_empty() || line.figure == Figure::Exact(0)
}

type PartKey<'a> = (&'a str, u32);

fn parts(before: &[Part], after: &[Part]) -> Vec<Part> {
    let mut earlier: HashMap<PartKey<'_>, &Part> =
        before.iter().map(|part| ((&*part.name, part.generation), part)).collect();
    let zero = Figure::Exact(0);
    let mut parts: Vec<Part> = Vec::with_capacity(before.len().max(after.len()));
    let mut push = |of: &Part, later: Option<&Part>, earlier: Option<&Part>| {
        let bytes = |part: Option<&Part>| part.map_or(zero.clone(), |part| part.figure.clone());
        let shared = |part: Option<&Part>| part.and_then(|part| part.shared.clone());
        let shared = match (shared(later), shared(earlier)) {
            (None, None) => None,
            (later, earlier) => Some(later.unwrap_or(zero.clone()) - earlier.unwrap_or(zero.clone())),
        };
        let part = Part::plain(of.name.clone(), of.generation, bytes(later) - bytes(earlier));
        parts.push(Part { shared, ..part });
    };
    for part in after {
        push(part, Some(part), earlier.remove(&(&*part.name, part.generation)));
    }
    // In the order in which they stood, so that the same two give the same difference.
    for part in before {
        if earlier.remove(&(&*part.name, part.generation)).is_some() {
            push(part, None, Some(part));
        }
    }
    parts.sort_by(|left, right| size(&right.figure).cmp(&size(&left.figure)).then_with(|| left.name.cmp(&right.name)));
    parts
}

/// How large a change can be, whatever its sign.
fn size(figure: &Figure) -> Option<u64> {
    figure.ends().map(|(low, high)| low.unsigned_abs().max(high.unsigned_abs()))
}

fn regions(before: &View<'_>, after: &View<'_>) -> Vec<RegionChange> {
    let one_process = before.pid.is_some() && before.pid == after.pid;
    let mut earlier: HashMap<PartKey<'_>, &RegionFigures> =
        before.regions.iter().map(|region| ((&*region.name, region.generation), region)).collect();
    let mut changes: Vec<RegionChange> = Vec::with_capacity(after.regions.len());
    for region in after.regions {
        let old = earlier.remove(&(&*region.name, region.generation));
        let mut change = change(old, Some(region), before.depth);
        // A region that was left out had counters all the same.
        let known = old.is_some() || before.retired_omitted == 0;
        change.between = (one_process && known).then(|| between(old, region)).flatten();
        changes.push(change);
    }
    for region in before.regions {
        if earlier.remove(&(&*region.name, region.generation)).is_some() {
            changes.push(change(Some(region), None, after.depth));
        }
    }
    changes.sort_by(|left, right| {
        let ours = |change: &RegionChange| change.name.starts_with('~');
        let moved = |change: &RegionChange| change.resident.as_ref().and_then(size);
        ours(left)
            .cmp(&ours(right))
            .then_with(|| moved(right).cmp(&moved(left)))
            .then_with(|| right.live_bytes.unsigned_abs().cmp(&left.live_bytes.unsigned_abs()))
            .then_with(|| left.name.cmp(&right.name))
            .then(left.generation.cmp(&right.generation))
    });
    changes
}

/// `other` is the depth of the side that may lack the region: a side that counts pages has 0 of what it leaves out.
fn change(before: Option<&RegionFigures>, after: Option<&RegionFigures>, other: Depth) -> RegionChange {
    let live = |of: fn(&RegionFigures) -> i64| {
        let side = |region: Option<&RegionFigures>| region.map_or(0, of);
        // The counters wrap, and so does what is computed of them.
        side(after).wrapping_sub(side(before))
    };
    let resident = |region: Option<&RegionFigures>| match region {
        Some(region) => region.resident.clone(),
        None => (other == Depth::Full).then_some(Figure::Exact(0)),
    };
    let named = after.or(before);
    RegionChange {
        name: named.map(|region| region.name.clone()).unwrap_or_default(),
        generation: named.map(|region| region.generation).unwrap_or_default(),
        // What a later side leaves out is retired and empty.
        retired: after.is_none_or(|region| region.retired),
        live_bytes: live(RegionFigures::self_bytes),
        usable_bytes: live(|region| region.usable_bytes.live()),
        blocks: live(|region| region.blocks.live()),
        resident: resident(after).zip(resident(before)).map(|(after, before)| after - before),
        between: None,
    }
}

/// `None` if a word went back: then the two are not of one process after all, or in the wrong order.
fn between(before: Option<&RegionFigures>, after: &RegionFigures) -> Option<Between> {
    let words = |of: fn(&RegionFigures) -> Flow| {
        let (old, new) = (before.map(of).unwrap_or_default(), of(after));
        Some(Flow::new(new.allocated.checked_sub(old.allocated)?, new.freed.checked_sub(old.freed)?))
    };
    Some(Between {
        requested_bytes: words(|region| region.requested_bytes)?,
        usable_bytes: words(|region| region.usable_bytes)?,
        blocks: words(|region| region.blocks)?,
    })
}
