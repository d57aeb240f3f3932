//! The one line that a stage is told in.

use crate::{Figure, Held, LineId, PageFlow, RegionName, Stage, Went};

/// What is less than this prints as 0.0 and is left out.
const SHOWN_BYTES: i64 = (1 << 20) / 20 + 1;

/// Regions named in a line; the rest is summed up.
const NAMED: usize = 3;

pub(super) fn of_mark(stage: &Stage, earlier: &[Stage]) -> String {
    let rss = stage.change.as_ref().map_or(Figure::Exact(0), |change| change.diff.rss());
    let mut line = format!("{}: {} MiB RSS", stage.name, signed(&rss));
    if is_shown(&rss) {
        line.push_str(&cumulative(stage));
    }
    let live = live(stage, earlier);
    if !live.is_empty() {
        line.push_str("; live ");
        line.push_str(&live);
    }
    line
}

pub(super) fn of_release(stage: &Stage) -> String {
    let released = stage.released_bytes.clone().unwrap_or(Figure::Exact(0));
    let expected = stage.expected.and_then(|expected| expected.as_bytes());
    let mut line = format!("{}: released {}", stage.name, released.mib());
    match expected {
        Some(bytes) => line.push_str(&format!(" of {} MiB expected", Figure::exact(bytes).mib())),
        None => line.push_str(" MiB"),
    }
    if let Some(settled) = &stage.settled_bytes {
        line.push_str(&format!(", {} once settled", settled.mib()));
    }
    line.push_str(&cumulative(stage));
    let causes = causes(stage, expected);
    if !causes.is_empty() {
        // What did come back is the news, or what did not.
        let most = expected.is_none_or(|bytes| i64::try_from(bytes / 2).is_ok_and(|half| released.low() >= Some(half)));
        line.push_str(if most { "; " } else { ": " });
        line.push_str(&causes.join("; "));
    }
    line
}

fn cumulative(stage: &Stage) -> String {
    format!(" (cumulative {} MiB)", stage.cumulative_bytes.mib())
}

/// `+2048.0`, and `+0.0` for nothing.
fn signed(figure: &Figure) -> String {
    match figure.signed_mib() {
        zero if zero == "0.0" => "+0.0".to_owned(),
        text => text,
    }
}

fn is_shown(figure: &Figure) -> bool {
    let end = |bytes: Option<i64>| bytes.is_some_and(|bytes| bytes.unsigned_abs() >= SHOWN_BYTES.unsigned_abs());
    end(figure.low()) || end(figure.high())
}

/// `+600.0 in kv_cache, 600.0 of it on pages that weights freed in to_gpu; -1.0 in staging`.
fn live(stage: &Stage, earlier: &[Stage]) -> String {
    let Some(change) = &stage.change else { return String::new() };
    let mut moved: Vec<(RegionName, i64)> = change
        .diff
        .regions()
        .iter()
        // What the reading itself keeps is not the program's doing.
        .filter(|region| region.name != "~ledger" && is_shown(&Figure::Exact(region.live_bytes)))
        .map(|region| (RegionName::new(region.name.clone(), region.generation), region.live_bytes))
        .collect();
    moved.sort_by_key(|(_, bytes)| std::cmp::Reverse(bytes.unsigned_abs()));
    let mut words: Vec<String> = moved
        .iter()
        .take(NAMED)
        .map(|(region, bytes)| {
            let pages = change.flow.as_ref().map_or(String::new(), |flow| reuse(flow, region, earlier));
            format!("{} in {}{pages}", signed(&Figure::Exact(*bytes)), region.name)
        })
        .collect();
    if moved.len() > NAMED {
        let rest: i64 = moved[NAMED..].iter().map(|(_, bytes)| *bytes).fold(0, i64::wrapping_add);
        words.push(format!("{} in {} more", signed(&Figure::Exact(rest)), moved.len() - NAMED));
    }
    words.join(", ")
}

/// `, 600.0 of it on pages that weights freed in to_gpu`, for the region that gave most.
fn reuse(flow: &PageFlow, by: &RegionName, earlier: &[Stage]) -> String {
    let mut best: Option<(&RegionName, Held, &Figure)> = None;
    for row in flow.rows() {
        for cell in &row.cells {
            let is_by = match &cell.went {
                Went::Region(region) => region == by,
                Went::Own => row.held == Held::Freed && row.region == *by,
                _ => false,
            };
            if is_by && is_shown(&cell.reused) && best.is_none_or(|(_, _, most)| most.high() < cell.reused.high()) {
                best = Some((&row.region, row.held, &cell.reused));
            }
        }
    }
    let Some((from, held, bytes)) = best else { return String::new() };
    let who = if *from == RegionName::MIXED { "several regions".into() } else { from.name.clone() };
    let freed = |stage: &&Stage| {
        let regions = stage.change.as_ref().map(|change| change.diff.regions()).unwrap_or_default();
        regions.iter().any(|region| region.name == from.name && region.live_bytes < 0)
    };
    let when = match (held, earlier.iter().rev().find(freed)) {
        (Held::Freed, Some(stage)) => format!(" in {}", stage.name),
        (Held::Freed, None) => " before".to_owned(),
        _ => " meanwhile".to_owned(),
    };
    format!(", {} of it on pages that {who} freed{when}", bytes.mib())
}

/// Why RSS did not fall by what was expected: where the bytes are that were freed, and what was not freed.
fn causes(stage: &Stage, expected: Option<u64>) -> Vec<String> {
    let Some(change) = &stage.change else { return Vec::new() };
    let mut causes = Vec::new();
    let freed: i64 = change.diff.regions().iter().map(|region| region.live_bytes.min(0)).fold(0, i64::wrapping_add);
    match expected.and_then(|bytes| i64::try_from(bytes).ok()) {
        Some(bytes) if bytes > 0 && !is_shown(&Figure::Exact(freed)) => causes.push("nothing was freed".to_owned()),
        Some(bytes) if is_shown(&Figure::Exact((bytes + freed).max(0))) => {
            causes.push(format!("only {} was freed", Figure::Exact(-freed).mib()));
        }
        _ => {}
    }
    match &change.flow {
        Ok(flow) => causes.extend(remains(stage, flow)),
        Err(_) => {
            let dirty = change.diff.figure(LineId::Dirty);
            if is_shown(&dirty) {
                causes.push(format!("{} dirty", signed(&dirty)));
            }
        }
    }
    causes
}

/// Where the bytes of the regions that freed are now, the largest first.
fn remains(stage: &Stage, flow: &PageFlow) -> Vec<String> {
    let regions = stage.change.as_ref().map(|change| change.diff.regions()).unwrap_or_default();
    let freed = |region: &RegionName| {
        let same = regions.iter().find(|other| other.name == region.name && other.generation == region.generation);
        same.is_some_and(|region| region.live_bytes < 0)
    };
    let mut places: Vec<(&Went, Figure)> = Vec::new();
    let rows = flow.rows().iter().filter(|row| row.held == Held::InUse && freed(&row.region));
    for cell in rows.flat_map(|row| &row.cells).filter(|cell| cell.went != Went::Own && cell.went != Went::Returned) {
        match places.iter_mut().find(|(went, _)| *went == &cell.went) {
            Some((_, bytes)) => *bytes = bytes.clone() + cell.bytes.clone(),
            None => places.push((&cell.went, cell.bytes.clone())),
        }
    }
    places.retain(|(_, bytes)| is_shown(bytes));
    places.sort_by_key(|(_, bytes)| std::cmp::Reverse(bytes.high()));
    places.iter().map(|(went, bytes)| format!("{} {}{}", bytes.mib(), words(went), when(stage, went))).collect()
}

/// `, back in 11-22 s`, for pages that go back by themselves or never do.
fn when(stage: &Stage, went: &Went) -> String {
    let line = match went {
        Went::Dirty => LineId::Dirty,
        Went::Muzzy => LineId::Muzzy,
        _ => return String::new(),
    };
    let forecast = stage.statement.forecast();
    let mut said: Vec<(String, Figure)> = Vec::new();
    for part in forecast.parts().iter().filter(|part| part.line == line) {
        // A part begins with its bytes, which are those of all regions.
        let text = format!("{part:#}");
        let Some((_, when)) = text.split_once(", ") else { continue };
        match said.iter_mut().find(|(known, _)| known == when) {
            Some((_, bytes)) => *bytes = bytes.clone() + part.bytes.clone(),
            None => said.push((when.to_owned(), part.bytes.clone())),
        }
    }
    said.retain(|(_, bytes)| is_shown(bytes));
    match &said[..] {
        [] => String::new(),
        [(when, _)] => format!(", {when}"),
        several => {
            let parts: Vec<String> = several.iter().map(|(when, bytes)| format!("{} {when}", bytes.mib())).collect();
            format!(" (of all that is {}: {})", words(went), parts.join(", "))
        }
    }
}

fn words(went: &Went) -> String {
    match went {
        Went::Own => "still in use".to_owned(),
        Went::Cached => "in thread caches".to_owned(),
        Went::Region(region) => format!("in use by {}", region.name),
        Went::FreeSlots(region) if *region == RegionName::MIXED => "free in slabs pinned by several regions".to_owned(),
        Went::FreeSlots(region) if *region == RegionName::NOBODY => "free in slabs pinned by thread caches".to_owned(),
        Went::FreeSlots(region) => format!("free in slabs pinned by {}", region.name),
        Went::Dirty => "dirty".to_owned(),
        Went::Muzzy => "muzzy".to_owned(),
        Went::Retained => "retained, yet resident".to_owned(),
        Went::Pads => "beyond large blocks".to_owned(),
        Went::Moved => "changed while it was read".to_owned(),
        Went::Returned => "returned".to_owned(),
    }
}
