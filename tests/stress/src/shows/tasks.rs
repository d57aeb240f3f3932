//! Futures in regions, on a runtime with several threads: they move between threads, panic, and are dropped unfinished.

use std::fmt;
use std::future::{pending, poll_fn};
use std::sync::Arc;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::task::{Poll, Waker};
use std::thread;

use crossbeam::queue::ArrayQueue;
use heapledger_core::{InRegionExt, RegionId, current};
use tokio::runtime::Builder;

use crate::blocks::{Block, Make, allocate};
use crate::failure::fail;
use crate::oracle::Shared;
use crate::random::Random;
use crate::worker::{World, request};

const THREADS: usize = 3;
const TASKS: usize = 48;
/// Blocks that a task holds at most.
const HELD: usize = 8;
/// Awaits of a task.
const AWAITS: usize = 12;

/// What was shown so far.
#[derive(Default)]
pub struct Shown {
    tasks: u64,
    panicked: u64,
    dropped: u64,
}

/// Polls that went on on another thread than the one before.
static MOVED: AtomicU64 = AtomicU64::new(0);

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Shown { tasks, panicked, dropped } = self;
        let moved = MOVED.load(Relaxed);
        writeln!(
            f,
            "tasks = {tasks}, {panicked} panicked, {dropped} dropped unfinished, {moved} polls moved to another thread"
        )
    }
}

/// Tasks that wait until a thread outside the runtime wakes them: any of its threads may go on with those.
type Waiting = ArrayQueue<Waker>;

/// Wakes whoever waits, until told to stop.
fn wake_all(waiting: &Waiting, stop: &AtomicBool) {
    while !stop.load(Acquire) {
        match waiting.pop() {
            Some(waker) => waker.wake(),
            None => thread::yield_now(),
        }
    }
}

/// Runs one batch of tasks to its end.
pub fn show(world: &'static World, random: &mut Random, shown: &mut Shown) {
    let (waiting, stop) = (Arc::new(Waiting::new(TASKS)), AtomicBool::new(false));
    thread::scope(|scope| {
        let wakes = scope.spawn(|| wake_all(&waiting, &stop));
        batch(world, &waiting, random, shown);
        stop.store(true, Release);
        // A scope waits for the closure only, and a thread is registered until it is gone.
        wakes.join().unwrap_or_else(|_| fail(format_args!("the thread that wakes panicked")));
    });
}

fn batch(world: &'static World, waiting: &Arc<Waiting>, random: &mut Random, shown: &mut Shown) {
    let runtime = match Builder::new_multi_thread().worker_threads(THREADS).build() {
        Ok(runtime) => runtime,
        Err(error) => fail(format_args!("no runtime: {error}")),
    };
    let spawn = |number: usize| {
        let region = world.regions.pick(random);
        let end = match number % 6 {
            0 => End::Panic,
            1 => End::Never,
            _ => End::Done,
        };
        runtime.spawn(task(world, waiting.clone(), region, Random::new(random.next(), 0), end).in_region(&region))
    };
    let tasks: Vec<_> = (0..TASKS).map(spawn).collect();
    shown.tasks += TASKS as u64;
    runtime.block_on(async {
        for (number, task) in tasks.into_iter().enumerate() {
            match number % 6 {
                1 if number % 4 == 1 => task.abort(),
                // Dropped with the runtime.
                1 => {}
                _ => shown.panicked += u64::from(task.await.is_err_and(|error| error.is_panic())),
            }
            shown.dropped += u64::from(number % 6 == 1);
        }
    });
}

#[derive(Clone, Copy, Debug)]
enum End {
    Done,
    Panic,
    Never,
}

/// Blocks that are freed with the future, wherever that happens.
struct Held([Option<Block>; HELD]);

impl Drop for Held {
    fn drop(&mut self) {
        for block in self.0.iter_mut().filter_map(Option::take) {
            block.free(&mut Shared);
        }
    }
}

async fn task(world: &'static World, waiting: Arc<Waiting>, region: RegionId, mut random: Random, end: End) {
    let mut held = Held([None; HELD]);
    work(&mut held, region, &mut random);
    for _ in 0..AWAITS {
        pause(&waiting, region).await;
        work(&mut held, region, &mut random);
        if random.one_in(4) {
            let inner = world.regions.pick(&mut random);
            let mut held = Held([None; HELD]);
            async {
                work(&mut held, inner, &mut random);
                pause(&waiting, inner).await;
                work(&mut held, inner, &mut random);
            }
            .in_region(&inner)
            .await;
            for block in held.0.iter_mut().filter_map(Option::take).take(2) {
                world.send(block, &mut random, &mut Shared);
            }
        }
        if current() != region {
            fail(format_args!("a task in {region:?} is in {:?}", current()));
        }
    }
    match end {
        End::Done => {}
        End::Panic => blow_up(),
        End::Never => pending().await,
    }
}

/// Some operations, in the region that the future is in.
fn work(held: &mut Held, region: RegionId, random: &mut Random) {
    for _ in 0..4 {
        let place = &mut held.0[random.below(HELD)];
        match place.take() {
            None => *place = Some(allocate(Make::Plain, request(random), region.index(), &mut Shared)),
            Some(block) if random.one_in(3) => *place = Some(block.resize(request(random).size, &mut Shared)),
            Some(block) => block.free(&mut Shared),
        }
    }
}

/// Goes on later, perhaps on another thread. Allocates nothing, unlike a runtime's own way of doing it.
async fn pause(waiting: &Waiting, region: RegionId) {
    let mut began = None;
    poll_fn(|context| {
        if current() != region {
            fail(format_args!("a poll in {region:?} is in {:?}", current()));
        }
        let here = thread::current().id();
        match began {
            None => {
                began = Some(here);
                // Each task has one place in the queue, but for what a task that was aborted left there.
                if let Err(waker) = waiting.push(context.waker().clone()) {
                    waker.wake();
                }
                Poll::Pending
            }
            Some(before) => {
                MOVED.fetch_add(u64::from(before != here), Relaxed);
                Poll::Ready(())
            }
        }
    })
    .await;
}

/// Panics without a message. What unwinding allocates is not the history's, so it happens outside its regions.
fn blow_up() {
    let _outside = RegionId::UNTAGGED.enter();
    std::panic::resume_unwind(Box::new(()));
}
