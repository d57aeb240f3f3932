//! Settings of jemalloc are the process's, so that they have one of their own, and one test.

use heapledger_probe::control::{self, Pages, Refusal};

#[global_allocator]
static JEMALLOC: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// What jemalloc starts with.
const DEFAULT_MS: i64 = 10_000;

fn dirty_decays() -> Vec<(u32, i64)> {
    let mut all = Vec::with_capacity(64);
    control::arena_decays(|arena| all.push((arena.arena, arena.dirty_decay_ms))).expect("jemalloc answers");
    all
}

/// A block of 8 MiB and more makes the arena for oversize blocks, the last one, whose pages do not stay.
fn make_oversize_arena() -> u32 {
    drop(std::hint::black_box(vec![1_u8; 9 << 20]));
    dirty_decays().last().map(|(arena, _)| *arena).expect("there are arenas")
}

#[test]
fn what_is_set_is_read_back_and_arenas_of_their_own_are_left() {
    let oversize = make_oversize_arena();
    assert!(oversize > 0);
    assert_eq!(control::decay_ms(Pages::Dirty), Ok(DEFAULT_MS));
    assert!(dirty_decays().contains(&(oversize, 0)));

    let set = control::set_decay_ms(Pages::Dirty, 1_000).expect("a second is a decay time");
    assert_eq!((set.before_ms, set.after_ms), (DEFAULT_MS, 1_000));
    assert!(set.arenas_set.contains(&0), "{set:?}");
    assert_eq!(set.arenas_left, [oversize]);
    assert!(dirty_decays().iter().all(|(arena, ms)| *ms == if *arena == oversize { 0 } else { 1_000 }));

    for bad in [-2, i64::MIN, i64::MAX] {
        let refused = control::set_decay_ms(Pages::Dirty, bad).expect_err("it is no decay time");
        assert_eq!((refused.key, refused.why), ("arenas.dirty_decay_ms", Refusal::BadValue), "{bad}");
    }
    assert_eq!(control::decay_ms(Pages::Dirty), Ok(1_000), "a refusal changes nothing");

    let set = control::set_decay_ms(Pages::Muzzy, -1).expect("never is a decay time");
    assert_eq!(set.after_ms, -1);
    assert_eq!(set.arenas_left, [], "muzzy pages of all arenas decayed at once until now");

    let most = control::max_background_threads().expect("they are built in");
    assert_eq!(control::set_max_background_threads(1), Ok(1));
    assert_eq!(control::set_max_background_threads(0).map_err(|refused| refused.why), Err(Refusal::BadValue));
    let refused = control::set_max_background_threads(most + 1_000_000).expect_err("there are not so many");
    assert_eq!((refused.key, refused.why), ("max_background_threads", Refusal::BadValue));
    assert_eq!(control::background_threads(), Ok(false));
    assert_eq!(control::set_background_threads(true), Ok(true));
    assert_eq!(control::background_threads(), Ok(true));
    assert_eq!(control::set_background_threads(false), Ok(false));
}
