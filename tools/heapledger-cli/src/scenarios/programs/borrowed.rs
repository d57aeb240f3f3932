//! borrowed-and-kept: a parser allocates, an index keeps.

use heapledger::{Adopt, Adopter, LineId, Region};

use super::sizes::class_bytes;
use crate::scenarios::check::Measured;
use crate::scenarios::scene::{KIB, MIB, Report, Row, Scene, SceneError, requested, resident};
use crate::scenarios::{Run, Scenario};

static PARSER: Region = Region::new("parser");
static INDEX: Region = Region::new("index");

const DOCUMENTS: usize = 20_000;
const LINES: usize = 8;

/// Whole documents: what the index keeps.
struct Document {
    title: String,
    lines: Vec<String>,
}

impl Adopt for Document {
    fn adopt_blocks(&mut self, adopter: &mut Adopter) {
        self.title.adopt_blocks(adopter);
        self.lines.adopt_blocks(adopter);
    }
}

/// Blocks change hands.
pub const BORROWED_AND_KEPT: Scenario = Scenario {
    name: "borrowed-and-kept",
    shows: "what a parser built is the index's, once that adopts it",
    story: &[
        "A parser builds 20000 documents of a title and 8 lines, and one text of 1 MiB, in region parser.",
        "The index keeps them and adopts them: parser has nothing then, index all of it.",
        "The index is dropped.",
    ],
    runs: &[Run::only("", run)],
    at_once: false,
    peak_bytes: 128 * MIB as u64,
};

fn run() -> Result<Report, SceneError> {
    let mut scene = Scene::new(&[Row::Region("parser"), Row::Region("index"), Row::Line(LineId::FreeSlots)]);
    scene.take("warm")?;
    let (mut documents, mut text) = PARSER.scope(parse);
    let strings = || documents.iter().flat_map(|document| document.lines.iter().chain([&document.title]));
    let lists = documents.capacity() * size_of::<Document>();
    let lines: usize = documents.iter().map(|document| document.lines.capacity() * size_of::<String>()).sum();
    let all = lists + lines + strings().map(String::capacity).sum::<usize>() + text.capacity();
    let blocks = 2 + documents.len() + strings().count();
    let usable = class_bytes(lists)
        + documents.iter().map(|document| class_bytes(document.lines.capacity() * size_of::<String>())).sum::<usize>()
        + strings().map(|string| class_bytes(string.capacity())).sum::<usize>()
        + class_bytes(text.capacity());
    let parsed = scene.take("parsed")?;
    scene.exactly("parser requested", all, requested(&parsed, "parser"), "capacities of its lists and strings");
    scene.within(
        "parser in use",
        all,
        usable,
        resident(&parsed, "parser"),
        "what was written, to the size classes of all blocks",
    );

    let first = INDEX.adopt(&mut documents);
    let second = INDEX.adopt(&mut text);
    let kept = scene.take("adopted")?;
    let sum = |one: u64, other: u64| Measured::Exact(i64::try_from(one + other).unwrap_or(i64::MAX));
    let adopted_blocks = sum(first.blocks, second.blocks);
    scene.exactly("count of blocks adopted", blocks, adopted_blocks, "two lists, the lines and titles, the text");
    let adopted_bytes = sum(first.requested_bytes, second.requested_bytes);
    scene.exactly("bytes adopted", all, adopted_bytes, "capacities of its lists and strings");
    scene.exactly("parser requested, adopted", 0, requested(&kept, "parser"), "all of it is the index's");
    scene.exactly("parser in use, adopted", 0, resident(&kept, "parser"), "all of it is the index's");
    scene.exactly("index requested", all, requested(&kept, "index"), "all that was the parser's");
    let end = |end: Option<i64>, otherwise| end.and_then(|bytes| usize::try_from(bytes).ok()).unwrap_or(otherwise);
    let before = resident(&parsed, "parser");
    let (least, most) = (end(before.low(), all), end(before.high(), usable));
    scene.within("index in use", least, most, resident(&kept, "index"), "the same blocks, on the same pages");

    drop((documents, text));
    let dropped = scene.take("dropped")?;
    scene.exactly("index requested, dropped", 0, requested(&dropped, "index"), "all is freed, to whom it belongs");
    scene.exactly("parser requested, dropped", 0, requested(&dropped, "parser"), "it had nothing any more");
    Ok(scene.finish())
}

fn parse() -> (Vec<Document>, String) {
    let line = |number: usize| "word ".repeat(1 + number % 13);
    let document = |number: usize| Document {
        title: format!("document {number}"),
        lines: (0..LINES).map(|index| line(number + index)).collect(),
    };
    let mut documents = Vec::with_capacity(DOCUMENTS);
    documents.extend((0..DOCUMENTS).map(document));
    (documents, "x".repeat(KIB * KIB))
}
