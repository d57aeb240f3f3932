//! `serde_json`: a tree of many very small blocks, built by a parser and dropped at once.

use std::fmt::Write as _;
use std::hint::black_box;

use serde_json::Value;

use crate::{Class, Info, Mix, Outcome, REGIONS, Random, Tagger, Workload};

workloads![Json, JsonMixed];

const DOCUMENT_BYTES: usize = 5_000_000;
const SMALL_DOCUMENT_BYTES: usize = 1_200;
/// So many small documents are alive at a time.
const HELD: u32 = 4_000;
/// So many different texts are parsed in turn.
const TEXTS: usize = 64;
/// One iteration of the mixed workload parses this many documents.
const BATCH: u64 = 1_000;

/// A document of about 5 MB, parsed into a `Value` and dropped.
pub struct Json;

impl Workload for Json {
    const INFO: Info = Info {
        id: "json",
        about: "serde_json: 5 MB parsed into a Value and dropped",
        operation: "document",
        mix: Mix::Pure,
        class: Class::Program,
        iterations: 3,
    };

    fn run<T: Tagger>(tagger: T, iterations: u64) -> Outcome {
        let text = document(&mut Random::new(1), DOCUMENT_BYTES);
        let _in = tagger.enter(0);
        Outcome::time(|| {
            for _ in 0..iterations {
                black_box(parse(&text));
            }
            iterations
        })
    }
}

/// Documents of about 1.2 KB, each parsed in the next of four regions; 4,000 are held, and a new one replaces any of
/// them.
pub struct JsonMixed;

impl Workload for JsonMixed {
    const INFO: Info = Info {
        id: "json_mixed",
        about: "serde_json: documents of 1.2 KB, 4000 held, each parsed in the next of four regions",
        operation: "document",
        mix: Mix::FourRegions,
        class: Class::Program,
        iterations: 12,
    };

    fn run<T: Tagger>(tagger: T, iterations: u64) -> Outcome {
        let mut random = Random::new(2);
        let texts: Vec<String> = (0..TEXTS).map(|_| document(&mut random, SMALL_DOCUMENT_BYTES)).collect();
        let mut held: Vec<Value> = Vec::with_capacity(HELD as usize);
        for turn in 0..HELD as usize {
            let _in = tagger.enter(turn % REGIONS);
            held.push(parse(&texts[turn % TEXTS]));
        }
        let outcome = Outcome::time(|| {
            let total = iterations * BATCH;
            for turn in 0..total as usize {
                let _in = tagger.enter(turn % REGIONS);
                // An odd stride, so that a text is not always parsed in the same region.
                let value = parse(&texts[(turn * 7 + turn / TEXTS) % TEXTS]);
                held[random.below(HELD)] = value;
            }
            total
        });
        black_box(&held);
        outcome
    }
}

fn parse(text: &str) -> Value {
    serde_json::from_str(black_box(text)).expect("the generated document is valid")
}

/// An array of records such as a service exchanges: short keys, short strings, numbers, small arrays and objects.
fn document(random: &mut Random, bytes: usize) -> String {
    let mut text = String::with_capacity(bytes + 1_024);
    text.push('[');
    let mut id = 0;
    while text.len() < bytes {
        if id > 0 {
            text.push(',');
        }
        record(&mut text, random, id).expect("writing to a String cannot fail");
        id += 1;
    }
    text.push(']');
    text
}

fn record(text: &mut String, random: &mut Random, id: u32) -> std::fmt::Result {
    let (name, kind, unit) = (word(random, 4, 12), word(random, 2, 6), word(random, 1, 3));
    write!(text, r#"{{"id":{id},"name":"{name}","kind":"{kind}""#)?;
    write!(text, r#","score":{}.{},"ok":{}"#, random.below(1_000), random.below(1_000), random.below(2) == 0)?;
    text.push_str(r#","tags":["#);
    for tag in 0..random.between(0, 5) {
        let comma = if tag == 0 { "" } else { "," };
        write!(text, r#"{comma}"{}""#, word(random, 2, 8))?;
    }
    write!(text, r#"],"at":{{"x":{},"y":{}"#, random.below(10_000), random.below(10_000))?;
    write!(text, r#","z":null,"unit":"{unit}"}}"#)?;
    if random.below(4) == 0 {
        write!(text, r#","note":"{}""#, word(random, 40, 120))?;
    }
    text.push('}');
    Ok(())
}

fn word(random: &mut Random, shortest: u32, longest: u32) -> String {
    (0..random.between(shortest, longest)).map(|_| char::from(b"etaoinshrdlucmfw"[random.below(16)])).collect()
}
