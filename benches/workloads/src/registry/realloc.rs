//! Vectors that grow as they are filled, several at a time, so that few can grow in place.

use std::hint::black_box;

use crate::{Class, Info, Mix, Outcome, Random, Tagger, Workload};

workloads![Realloc];

/// So many grow at the same time.
const VECTORS: u32 = 64;
/// One iteration pushes this many pieces.
const PIECES: u64 = 400_000;
/// What is pushed at a time.
const PIECE_BYTES: usize = 48;
/// A vector of this length is done, and an empty one takes its place.
const DONE_BYTES: usize = 64 << 10;

/// 64 vectors of bytes, each filled in pieces of 48 bytes up to 64 KiB: eleven reallocations from empty to full.
pub struct Realloc;

impl Workload for Realloc {
    const INFO: Info = Info {
        id: "realloc",
        about: "64 vectors filled in pieces of 48 B, from empty to 64 KiB, in random turn",
        operation: "piece",
        mix: Mix::Pure,
        class: Class::Pattern,
        iterations: 40,
    };

    fn run<T: Tagger>(tagger: T, iterations: u64) -> Outcome {
        let _in = tagger.enter(0);
        let mut vectors: Vec<Vec<u8>> = (0..VECTORS).map(|_| Vec::new()).collect();
        let mut random = Random::new(7);
        let mut fill = |pieces: u64| {
            for _ in 0..pieces {
                let vector = &mut vectors[random.below(VECTORS)];
                vector.extend_from_slice(&[1; PIECE_BYTES]);
                if vector.len() >= DONE_BYTES {
                    *vector = black_box(Vec::new());
                }
            }
        };
        fill(PIECES);
        let outcome = Outcome::time(|| {
            fill(iterations * PIECES);
            iterations * PIECES
        });
        black_box(vectors);
        outcome
    }
}
