//! `BTreeMap<u64, String>` under churn: an index that keeps its size while its entries come and go.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::hint::black_box;

use crate::{Class, Info, Mix, Outcome, REGIONS, Random, Tagger, Workload};

workloads![BTree, BTreeMixed];

/// Half of the keys are in the map once it is in balance.
const KEYS: u32 = 200_000;
const SHORTEST_BYTES: u32 = 8;
const LONGEST_BYTES: u32 = 100;
/// One iteration looks up this many keys.
const BATCH: u64 = 50_000;
/// In the mixed workload the region changes after this many operations.
const SWITCH_EVERY: u64 = 50;

/// The map and its random numbers.
struct Index {
    map: BTreeMap<u64, String>,
    random: Random,
}

impl Index {
    /// A map in balance, filled in the way in which it is then used.
    fn new<T: Tagger>(tagger: T, mix: Mix) -> Index {
        let mut index = Index { map: BTreeMap::new(), random: Random::new(3) };
        index.switching(tagger, mix, 2 * u64::from(KEYS));
        index
    }

    /// Takes `count` random keys: one that is there is removed, one that is not gets a string of random length.
    #[inline(always)]
    fn churn(&mut self, count: u64) {
        for _ in 0..count {
            let key = self.random.below(KEYS) as u64;
            match self.map.entry(key) {
                Entry::Occupied(entry) => drop(black_box(entry.remove())),
                Entry::Vacant(entry) => {
                    let bytes = self.random.between(SHORTEST_BYTES, LONGEST_BYTES);
                    let mut text = String::with_capacity(bytes);
                    text.push('x');
                    entry.insert(black_box(text));
                }
            }
        }
    }

    /// Does `total` operations in one region, or in one of four after the other where the workload mixes.
    #[inline(always)]
    fn switching<T: Tagger>(&mut self, tagger: T, mix: Mix, total: u64) {
        if mix == Mix::Pure {
            let _in = tagger.enter(0);
            return self.churn(total);
        }
        let mut region = 0;
        let mut left = total;
        while left > 0 {
            let count = left.min(SWITCH_EVERY);
            let _in = tagger.enter(region);
            self.churn(count);
            region = (region + 1) % REGIONS;
            left -= count;
        }
    }
}

#[inline(always)]
fn run<T: Tagger>(tagger: T, mix: Mix, iterations: u64) -> Outcome {
    let mut index = Index::new(tagger, mix);
    let outcome = Outcome::time(|| {
        let total = iterations * BATCH;
        index.switching(tagger, mix, total);
        total
    });
    black_box(&index.map);
    outcome
}

/// A map of about 100,000 strings; random keys are removed if they are there, else inserted.
pub struct BTree;

impl Workload for BTree {
    const INFO: Info = Info {
        id: "btree",
        about: "BTreeMap from u64 to String: 100k entries, random keys inserted or removed",
        operation: "insert or remove",
        mix: Mix::Pure,
        class: Class::Program,
        iterations: 16,
    };

    fn run<T: Tagger>(tagger: T, iterations: u64) -> Outcome {
        run(tagger, Self::INFO.mix, iterations)
    }
}

/// The same with the region switched every 50 operations.
pub struct BTreeMixed;

impl Workload for BTreeMixed {
    const INFO: Info = Info {
        id: "btree_mixed",
        about: "btree, four regions switched every 50 operations",
        operation: "insert or remove",
        mix: Mix::FourRegions,
        class: Class::Program,
        iterations: 16,
    };

    fn run<T: Tagger>(tagger: T, iterations: u64) -> Outcome {
        run(tagger, Self::INFO.mix, iterations)
    }
}
