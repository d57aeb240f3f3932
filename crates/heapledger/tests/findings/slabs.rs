//! Free slots that blocks of another region pin, and those that the caches of idle threads hold.

use heapledger::{Figure, FindingId, LineId};
use heapledger_harness::again;

use crate::gain::{assert_gained, assert_not_gained, find, found, ready, take};
use crate::{A, B, MIB};

/// Every 64th block of 64 bytes is B's, which makes one in each slab of a page. A's go.
#[expect(clippy::vec_box, reason = "each is to be a block of its own")]
fn scatter() -> Vec<Box<[u8; 64]>> {
    let blocks = 64 * MIB / 64;
    let (mut of_a, mut of_b) = (Vec::with_capacity(blocks), Vec::with_capacity(blocks / 64));
    for block in 0..blocks {
        match block % 64 {
            0 => of_b.push(B.scope(|| Box::new([1_u8; 64]))),
            _ => of_a.push(A.scope(|| Box::new([1_u8; 64]))),
        }
    }
    drop(of_a);
    of_b
}

#[test]
fn what_a_region_pins_goes_when_its_blocks_go() {
    again::run("slabs::subject_pinned", &[]);
}

#[test]
#[ignore = "a process of its own: started by the test above"]
fn subject_pinned() {
    let of_b = scatter();
    let before = heapledger::purge().expect("jemalloc purges").after;
    let finding = found(&before, FindingId::SlabsPinned);
    assert_eq!(finding.region.as_deref(), Some("B"));
    assert!(finding.remedy.starts_with("heapledger::Region::isolated(\"B\")"));
    // 63 of 64 slots of 16,384 slabs, but for slabs that other blocks of the test share.
    assert!(finding.gain.admits((63 * MIB) as i64), "{finding}");
    let fragmentation = before.fragmentation().expect("pages are told");
    let pin = fragmentation.pins().iter().find(|pin| pin.region == "B" && pin.slot_bytes == 64).expect("it pins");
    println!("{pin}\n{fragmentation}");
    assert!(pin.slabs.abs_diff(16_384) < 64 && pin.slots.abs_diff(16_384) < 128, "{pin}");
    let could = pin.could_go_back();
    drop(of_b);
    let after = heapledger::purge().expect("jemalloc purges").after;
    let went = (before.figure(LineId::Rss) - after.figure(LineId::Rss)).as_exact().expect("the kernel counts");
    // The vector that held the blocks went too: 16,384 pointers.
    assert!((could + Figure::up_to(MIB as u64 / 2)).admits(went), "{went} went of {pin}");
    assert_eq!(find(&after, FindingId::SlabsPinned), None);
}

#[test]
fn thread_caches_are_flushed_by_their_threads() {
    // Caches hold more blocks, and are not looked through meanwhile, so that there is something to find.
    let conf = "tcache_nslots_large:2000,tcache_gc_incr_bytes:1073741824";
    again::run("slabs::subject_thread_caches", &[("_RJEM_MALLOC_CONF", conf)]);
}

#[test]
#[ignore = "a process of its own: started by the test above"]
fn subject_thread_caches() {
    ready();
    let (cached, purged) = (std::sync::Barrier::new(2), std::sync::Barrier::new(2));
    let idle = || {
        let blocks: Vec<Vec<u8>> = A.scope(|| (0..1_000).map(|_| vec![1_u8; 32 << 10]).collect());
        drop(blocks);
        cached.wait();
        purged.wait();
        heapledger::purge().expect("jemalloc purges");
        cached.wait();
        purged.wait();
    };
    std::thread::scope(|scope| {
        scope.spawn(idle);
        cached.wait();
        let before = take();
        let finding = found(&before, FindingId::ThreadCaches);
        assert_eq!(finding.remedy, "heapledger::purge() on each thread that is about to idle");
        // The control: on another thread than the one that idles it gains nothing, and is told again.
        let elsewhere = heapledger::purge().expect("jemalloc purges").after;
        assert_not_gained(&finding, &before, &elsewhere);
        assert!(find(&elsewhere, FindingId::ThreadCaches).is_some());
        purged.wait();
        cached.wait();
        let after = take();
        assert_gained(&finding, &before, &after);
        assert_eq!(find(&after, FindingId::ThreadCaches), None, "the remedy was applied");
        purged.wait();
    });
}
