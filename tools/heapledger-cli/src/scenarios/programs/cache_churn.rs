//! cache-churn: a cache whose survivors keep its slabs.

use std::collections::HashSet;

use heapledger::{LineId, Region};
use heapledger_scenery::flush_thread_cache;
use lru::LruCache;

use super::sizes::class_bytes;
use crate::demo::random::Random;
use crate::scenarios::check::Tolerance;
use crate::scenarios::scene::{MIB, PAGE, Report, Row, Scene, SceneError, pinned_by, requested, resident};
use crate::scenarios::{Run, Scenario};

/// The values.
static CACHE: Region = Region::new("cache");
/// What finds them.
static INDEX: Region = Region::new("cache_index");

const ENTRIES: usize = 1_000_000;
/// Puts beyond the first million, each of which throws the oldest out.
const CHURN: usize = 2_000_000;
/// Of so many keys one is kept.
const KEEP: u32 = 100;

/// Classes whose slabs are one page, so that the page of a block is its slab.
const CLASSES: [usize; 6] = [64, 128, 256, 512, 1024, 2048];

/// An LRU cache under churn, then emptied but for one in a hundred.
pub const CACHE_CHURN: Scenario = Scenario {
    name: "cache-churn",
    shows: "a cache emptied but for 1 entry in 100: what survivors keep",
    story: &[
        "An LRU cache is filled with a million entries of 57 to 2048 B, then 2 million more replace the oldest.",
        "Every entry is removed but those whose key is a multiple of 100.",
        "The thread's cache is emptied. Each page with a survivor is a slab that the cache pins.",
    ],
    runs: &[Run::only("dirty_decay_ms:-1", run)],
    at_once: false,
    peak_bytes: 1200 * MIB as u64,
};

fn run() -> Result<Report, SceneError> {
    let mut scene = Scene::new(&[
        Row::Region("cache"),
        Row::Region("cache_index"),
        Row::PinnedBy("cache"),
        Row::Line(LineId::FreeSlots),
        Row::DirtyOf("cache"),
    ]);
    let mut random = Random::new(3);
    let mut cache: LruCache<u32, Box<[u8]>> = INDEX.scope(|| LruCache::new(CAPACITY));
    let mut key = 0;
    for put in 0..ENTRIES + CHURN {
        if put == ENTRIES {
            let full = scene.take("full")?;
            let sum: usize = cache.iter().map(|(_, value)| value.len()).sum();
            scene.exactly("requested by the full cache", sum, requested(&full, "cache"), "the lengths of its values");
        }
        let class = CLASSES[random.below(CLASSES.len())];
        // The upper eighth of a class belongs to no smaller one.
        let bytes = class - random.below(class / 8);
        let value = CACHE.scope(|| vec![1_u8; bytes].into_boxed_slice());
        INDEX.scope(|| cache.push(key, value));
        key += 1;
    }
    let churned = scene.take("churned")?;
    let sum: usize = cache.iter().map(|(_, value)| value.len()).sum();
    scene.exactly("requested by the churned cache", sum, requested(&churned, "cache"), "the lengths of its values");

    for gone in (0..key).filter(|key| key % KEEP != 0) {
        cache.pop(&gone);
    }
    flush_thread_cache();
    let emptied = scene.take("emptied")?;
    let values = || cache.iter().map(|(_, value)| value);
    let sum: usize = values().map(|value| value.len()).sum();
    let usable: usize = values().map(|value| class_bytes(value.len())).sum();
    let pages: HashSet<usize> = values().map(|value| value.as_ptr().addr() / PAGE).collect();
    scene.exactly(
        "count of survivors",
        ENTRIES / KEEP as usize,
        count(cache.len()),
        "one in a hundred of the last million",
    );
    scene.exactly("requested by the survivors", sum, requested(&emptied, "cache"), "the lengths of their values");
    scene.exactly("in use by the survivors", usable, resident(&emptied, "cache"), "their size classes, all in memory");
    scene.about(
        "pinned by the cache",
        pages.len() * PAGE - usable,
        Tolerance {
            at_most: 16 * PAGE as i64,
            why: "blocks of others in the same slabs, which the program allocated before and beside the cache",
        },
        pinned_by(&emptied, "cache"),
        &format!("{} pages with a survivor, each a slab, less the survivors", pages.len()),
    );
    Ok(scene.finish())
}

const CAPACITY: std::num::NonZeroUsize = std::num::NonZeroUsize::new(ENTRIES).expect("it is not 0");

fn count(count: usize) -> heapledger::Figure {
    heapledger::Figure::exact(count as u64)
}
