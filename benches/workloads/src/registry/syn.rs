//! `syn`: a parser that builds a syntax tree of many boxes and short vectors, as every procedural macro does.

use std::fmt::Write as _;
use std::hint::black_box;

use crate::{Class, Info, Mix, Outcome, Random, Tagger, Workload};

workloads![Syn];

const SOURCE_BYTES: usize = 137_000;

/// A Rust source file of about 137 KB, parsed in full and dropped.
pub struct Syn;

impl Workload for Syn {
    const INFO: Info = Info {
        id: "syn",
        about: "syn: a Rust file of 137 KB parsed in full and dropped",
        operation: "file",
        mix: Mix::Pure,
        class: Class::Program,
        // jemalloc empties thread caches every 10 ms by the clock, and a file takes 13: in few files the peak is one of two
        // (`benches/README.md`).
        iterations: 32,
    };

    fn run<T: Tagger>(tagger: T, iterations: u64) -> Outcome {
        let text = source();
        let _in = tagger.enter(0);
        Outcome::time(|| {
            for _ in 0..iterations {
                black_box(syn::parse_file(black_box(&text)).expect("the generated source is valid"));
            }
            iterations
        })
    }
}

/// Items of several kinds in turn, each with a number of its own and of random length.
fn source() -> String {
    let mut random = Random::new(5);
    let mut text = String::with_capacity(SOURCE_BYTES + 4_096);
    let mut number = 0;
    while text.len() < SOURCE_BYTES {
        item(&mut text, &mut random, number).expect("writing to a String cannot fail");
        number += 1;
    }
    text
}

fn item(text: &mut String, random: &mut Random, number: u32) -> std::fmt::Result {
    match number % 4 {
        0 => structure(text, random, number),
        1 => function(text, random, number),
        2 => enumeration(text, random, number),
        _ => implementation(text, random, number),
    }
}

fn structure(text: &mut String, random: &mut Random, number: u32) -> std::fmt::Result {
    writeln!(
        text,
        "/// Holds what request {number} needs.\n#[derive(Clone, Debug)]\npub struct Request{number}<'a, T> {{"
    )?;
    for field in 0..random.between(2, 8) {
        writeln!(text, "    pub field_{field}: Option<&'a HashMap<String, Vec<(usize, T)>>>,")?;
    }
    writeln!(text, "}}\n")
}

fn function(text: &mut String, random: &mut Random, number: u32) -> std::fmt::Result {
    writeln!(text, "pub fn compute_{number}<T: Into<u64> + Copy>(left: T, right: &[u64]) -> Result<u64, Error> {{")?;
    writeln!(text, "    let mut sum: u64 = left.into() * {number} + 7;")?;
    for step in 0..random.between(2, 8) {
        writeln!(text, "    if let Some(value) = right.get({step}).filter(|value| **value > sum) {{")?;
        writeln!(text, "        sum = sum.wrapping_add((value + {step}) * (sum ^ 0x{step:x}f) >> 3);")?;
        writeln!(
            text,
            "    }} else {{\n        return Err(Error::new(format!(\"step {{}} of {{}}\", {step}, sum)));\n    }}"
        )?;
    }
    writeln!(text, "    Ok(right.iter().map(|value| value % 13).fold(sum, |a, b| a + b))\n}}\n")
}

fn enumeration(text: &mut String, random: &mut Random, number: u32) -> std::fmt::Result {
    writeln!(text, "#[repr(u8)]\nenum Message{number} {{")?;
    for variant in 0..random.between(3, 10) {
        writeln!(
            text,
            "    /// Sent {variant} times.\n    Variant{variant} {{ id: u32, payload: Box<[u8; {variant}]> }},"
        )?;
    }
    writeln!(text, "    Unit = {number},\n}}\n")
}

fn implementation(text: &mut String, random: &mut Random, number: u32) -> std::fmt::Result {
    writeln!(text, "impl<'a, T> Handler<'a> for Request{}<'a, T> where T: Send + 'static {{", number - 3)?;
    for method in 0..random.between(1, 4) {
        writeln!(text, "    fn handle_{method}(&mut self, message: Message{}) -> Option<&'a str> {{", number - 1)?;
        writeln!(text, "        match message {{")?;
        for arm in 0..random.between(2, 6) {
            writeln!(text, "            Message::Variant{arm} {{ id, .. }} if id == {arm} || self.seen[{arm}] => {{")?;
            writeln!(text, "                self.queue.push(Entry {{ id, at: Instant::now(), kind: Kind::K{arm} }});")?;
            writeln!(
                text,
                "                for entry in self.queue.iter_mut().rev().take({arm}) {{ entry.id += 1; }}"
            )?;
            writeln!(text, "                None\n            }}")?;
        }
        writeln!(text, "            _ => Some(\"nothing\"),\n        }}\n    }}")?;
    }
    writeln!(text, "}}\n")
}

#[cfg(test)]
mod tests {
    use super::{SOURCE_BYTES, source};

    #[test]
    fn the_source_is_as_long_as_it_says_and_holds_many_items() {
        let text = source();
        assert!(text.len() >= SOURCE_BYTES && text.len() < SOURCE_BYTES + 4_096);
        assert!(syn::parse_file(&text).expect("it is valid").items.len() > 100);
    }
}
