//! Regions of tasks: in force while a future is polled or dropped, wherever that happens.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::Mutex;
use std::task::{Context, Poll, Waker};

use heapledger_core::{InRegionExt, OwnedRegion, Region, RegionId, current, region_info};
use heapledger_tests::blocks::Block;
use heapledger_tests::books::Balance;

static A: Region = Region::new("futures/a");
static B: Region = Region::new("futures/b");

/// Where a future was polled and dropped.
type Seen = Arc<Mutex<Vec<(&'static str, RegionId)>>>;

/// Is ready at the poll after `pending` others, and notes each poll and its drop.
struct Noting {
    seen: Seen,
    pending: usize,
    panics: bool,
}

impl Future for Noting {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        self.seen.lock().unwrap().push(("poll", current()));
        assert!(!self.panics, "a future that panics");
        if self.pending == 0 {
            return Poll::Ready(());
        }
        self.pending -= 1;
        Poll::Pending
    }
}

impl Drop for Noting {
    fn drop(&mut self) {
        self.seen.lock().unwrap().push(("drop", current()));
    }
}

fn noting(pending: usize, panics: bool) -> (Noting, Seen) {
    let seen = Seen::default();
    (Noting { seen: seen.clone(), pending, panics }, seen)
}

fn poll_once<F: Future>(future: &mut Pin<Box<F>>) -> Poll<F::Output> {
    future.as_mut().poll(&mut Context::from_waker(Waker::noop()))
}

fn seen_in(seen: &Seen) -> Vec<(&'static str, RegionId)> {
    seen.lock().unwrap().clone()
}

#[test]
fn a_future_is_in_its_region_only_while_it_is_polled_or_dropped() {
    let (future, seen) = noting(1, false);
    let mut future = Box::pin(future.in_region(&A));
    let _outside = B.enter();
    assert!(poll_once(&mut future).is_pending());
    assert_eq!(current(), *B);
    assert!(poll_once(&mut future).is_ready());
    assert_eq!(current(), *B);
    drop(future);
    assert_eq!(current(), *B);
    assert_eq!(seen_in(&seen), [("poll", *A), ("poll", *A), ("drop", *A)]);
}

#[test]
fn a_future_that_was_never_polled_is_dropped_in_its_region() {
    let (future, seen) = noting(0, false);
    drop(future.in_region(&A));
    assert_eq!(seen_in(&seen), [("drop", *A)]);
}

#[test]
fn a_poll_that_panics_leaves_the_region_and_the_future_is_dropped_in_it() {
    let (future, seen) = noting(0, true);
    let mut future = Box::pin(future.in_region(&A));
    assert!(catch_unwind(AssertUnwindSafe(|| poll_once(&mut future))).is_err());
    assert_eq!(current(), RegionId::UNTAGGED);
    drop(future);
    assert_eq!(seen_in(&seen), [("poll", *A), ("drop", *A)]);
}

#[test]
fn a_future_keeps_its_region_on_every_thread_that_polls_it() {
    let (future, seen) = noting(2, false);
    let mut future = Box::pin(future.in_region(&A));
    for _ in 0..3 {
        future = std::thread::spawn(move || {
            let _unrelated = B.enter();
            let _ = poll_once(&mut future);
            future
        })
        .join()
        .unwrap();
    }
    std::thread::spawn(move || drop(future)).join().unwrap();
    assert_eq!(seen_in(&seen), [("poll", *A), ("poll", *A), ("poll", *A), ("drop", *A)]);
}

#[test]
fn futures_that_take_turns_on_one_thread_do_not_mix_their_regions() {
    let (one, two) = (OwnedRegion::new("futures/one"), OwnedRegion::new("futures/two"));
    /// Allocates a block of 100 bytes at each of five polls, and keeps it.
    async fn five_blocks() -> Vec<Block> {
        let mut blocks = RegionId::UNTAGGED.scope(|| Vec::with_capacity(5));
        for _ in 0..5 {
            blocks.push(Block::new(100));
            let mut yielded = false;
            std::future::poll_fn(
                |_| if std::mem::replace(&mut yielded, true) { Poll::Ready(()) } else { Poll::Pending },
            )
            .await;
        }
        blocks
    }
    let mut first = Box::pin(five_blocks().in_region(&one));
    let mut second = Box::pin(five_blocks().in_region(&two));
    for _ in 0..5 {
        assert!(poll_once(&mut first).is_pending());
        assert!(poll_once(&mut second).is_pending());
    }
    // 100 bytes are served from the class of 112.
    assert_eq!(Balance::of(*one), Balance::held(5, 100, 112));
    assert_eq!(Balance::of(*two), Balance::held(5, 100, 112));
    let Poll::Ready(blocks) = poll_once(&mut first) else { panic!("five polls were pending") };
    drop((blocks, second));
    assert_eq!(Balance::of(*one), Balance::passed(5, 100, 112));
    assert_eq!(Balance::of(*two), Balance::passed(5, 100, 112));
}

#[test]
fn a_region_does_not_retire_before_its_futures_are_gone() {
    let retired = |id: RegionId| region_info(id.index()).expect("it was named").retired;
    let region = OwnedRegion::new("futures/held");
    let id = *region;
    let mut future = Box::pin(noting(1, false).0.in_region(&region));
    drop(region);
    assert!(!retired(id));
    assert!(poll_once(&mut future).is_pending());
    drop(future);
    assert!(retired(id));
}

#[test]
fn of_nested_regions_the_inner_one_is_in_force() {
    let (future, seen) = noting(0, false);
    let mut future = Box::pin(future.in_region(&A).in_region(&B));
    assert!(poll_once(&mut future).is_ready());
    drop(future);
    assert_eq!(seen_in(&seen), [("poll", *A), ("drop", *A)]);
}
