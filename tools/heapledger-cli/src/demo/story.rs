//! What is told of a stage beside its statement: its one line, where bytes went, what becomes of them, what to do about
//! it, and when they come back.

use heapledger::{Figure, Finding, FlowRow, Forecast, ForecastCheck, Held, Judged, Part, Stage, Verdict, Went};

use crate::output::{Look, Tone};

/// The width of the word before each piece of the story.
const WORD_COLUMNS: usize = 10;

/// Rows and cells of the flow with less are not told; the library has them all.
const TOLD_BYTES: i64 = 1 << 20;

/// The story of a stage, in lines of the look's width.
pub fn of(look: Look, stage: &Stage, findings: &[Finding]) -> String {
    let mut text = look.entry(Tone::Title, "line", WORD_COLUMNS, &stage.line);
    if let Some(change) = &stage.change {
        match &change.flow {
            Ok(flow) => {
                for row in flow.rows().iter().filter(|row| is_told(row)) {
                    text.push_str(&look.entry(Tone::Title, "flow", WORD_COLUMNS, &words_of(row)));
                }
            }
            Err(why) => text.push_str(&look.entry(Tone::Notable, "flow", WORD_COLUMNS, &format!("not known: {why}"))),
        }
    }
    verdicts(look, &mut text, stage);
    for finding in findings {
        text.push_str(&self::finding(look, finding));
    }
    text.push_str(&forecast(look, &stage.statement.forecast()));
    text
}

/// What becomes of the process's bytes, and of those of each region of which something is not simply in use.
fn verdicts(look: Look, text: &mut String, stage: &Stage) {
    let mut verdicts = stage.statement.verdicts();
    if let Some(Ok(flow)) = stage.change.as_ref().map(|change| &change.flow) {
        verdicts = verdicts.with_flow(flow);
    }
    text.push_str(&look.entry(Tone::Title, "verdict", WORD_COLUMNS, &verdicts.process.to_string()));
    let is_told =
        |judged: &&Judged| judged.bytes.iter().any(|(verdict, bytes)| *verdict != Verdict::Live && is_large(bytes));
    for judged in verdicts.regions.iter().filter(is_told) {
        text.push_str(&look.entry(Tone::Title, "verdict", WORD_COLUMNS, &judged.to_string()));
    }
}

/// What is so, what it gains, what to do and at what price.
pub fn finding(look: Look, finding: &Finding) -> String {
    let mut lines = finding.to_string();
    let rest = lines.find('\n').map_or_else(String::new, |end| lines.split_off(end));
    let mut text = look.entry(Tone::Notable, "finding", WORD_COLUMNS, &lines);
    let hang = " ".repeat(WORD_COLUMNS + 2);
    for line in rest.lines().map(str::trim).filter(|line| !line.is_empty()) {
        text.push_str(&look.wrap(line, &hang, &format!("{hang}       ")));
    }
    text
}

/// When what is free comes back, with what would let it.
pub fn forecast(look: Look, forecast: &Forecast) -> String {
    let tone = if forecast.is_never() { Tone::Notable } else { Tone::Title };
    let words = if forecast.parts().is_empty() {
        forecast.to_string()
    } else {
        format!("{forecast:#} (if {})", forecast.assumes())
    };
    look.entry(tone, "forecast", WORD_COLUMNS, &words)
}

/// What became of a forecast.
pub fn check(look: Look, check: &ForecastCheck) -> String {
    let tone = if check.holds() == Some(true) { Tone::Good } else { Tone::Bad };
    look.entry(tone, "check", WORD_COLUMNS, &check.to_string())
}

/// Rows of which something went elsewhere: what stays in use is what the statement shows.
fn is_told(row: &FlowRow) -> bool {
    let moved = |went: &Went| *went != Went::Own;
    row.held != Held::Absent
        && is_large(&row.bytes)
        && row.cells.iter().any(|cell| moved(&cell.went) && is_large(&cell.bytes))
}

fn is_large(figure: &Figure) -> bool {
    figure.high().is_some_and(|bytes| bytes >= TOLD_BYTES)
}

/// `weights had 256.0 in use: 130.0 returned, 126.0 dirty`.
fn words_of(row: &FlowRow) -> String {
    let held = if row.held == Held::InUse { "in use" } else { "free" };
    let cells: Vec<String> = row
        .cells
        .iter()
        .filter(|cell| is_large(&cell.bytes))
        .map(|cell| format!("{} {}", cell.bytes.mib(), place(&cell.went)))
        .collect();
    format!("{} had {} {held}: {}", name(&row.region.name), row.bytes.mib(), cells.join(", "))
}

fn place(went: &Went) -> String {
    match went {
        Went::Own => "still in use".to_owned(),
        Went::Cached => "in thread caches".to_owned(),
        Went::Region(region) => format!("in use by {}", name(&region.name)),
        Went::FreeSlots(region) => format!("free in slabs that {} keeps", name(&region.name)),
        Went::Dirty => "dirty".to_owned(),
        Went::Muzzy => "muzzy".to_owned(),
        Went::Retained => "retained, yet resident".to_owned(),
        Went::Pads => "beyond large blocks".to_owned(),
        Went::Moved => "changed while it was read".to_owned(),
        Went::Returned => "returned".to_owned(),
        _ => "elsewhere".to_owned(),
    }
}

fn name(name: &str) -> &str {
    match name {
        Part::MIXED | Part::SHARED => "several regions",
        Part::NOBODY => "nobody",
        region => region,
    }
}
