//! The directed run: as many races on as few pages as possible.
//!
//! Blocks of a class with few slots per page, in two regions, freed mostly by others. The main thread is the one that
//! is registered, so that it flips pages, while ghosts (threads without counters) own, free and reallocate slots of the
//! same pages, and threads come, register, allocate, and end.
//!
//! In a crowd the helpers are registered too: entries are written without fences, and no page may be flipped.

mod alone;
mod helpers;

use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize};

use crossbeam::queue::ArrayQueue;
use heapledger_alloc::{RegionTotals, read_totals, table_use};
use heapledger_core::RegionId;

use crate::args::Args;
use crate::blocks::Block;
use crate::failure::fail;
use crate::oracle;
use crate::regions::Regions;
use alone::Main;
use helpers::Helper;

/// Two and three slots per page, pages with and without a remainder, a page each, and more than one page each.
const SIZES: [usize; 10] = [2048, 2048, 1792, 3584, 3072, 2560, 1280, 1024, 4096, 5120];
/// Helpers: threads in teardown, or in a crowd ordinary ones. One more sends visitors.
const HELPERS: usize = 3;
/// Blocks on their way.
const EXCHANGE: usize = 32;

struct Field {
    regions: [RegionId; 2],
    exchange: ArrayQueue<Block>,
    /// What everybody allocates now.
    size: AtomicUsize,
    /// Which of the regions the main thread is in.
    main_region: AtomicUsize,
    /// The point that everybody shall come to, and the one from which everybody may go on.
    come_to: AtomicU64,
    go_on_from: AtomicU64,
    /// Arrivals of helpers, at all points together.
    arrived: AtomicU64,
    stop: AtomicBool,
    helper_operations: AtomicU64,
    visitors: AtomicU64,
    visitor_seed: AtomicU64,
}

/// Runs to the end, or not at all; returns what happened, in lines.
pub fn run(args: &Args, crowd: bool) -> String {
    let regions = Regions::new();
    let (first, _) = regions.indices();
    let field: &'static Field = Box::leak(Box::new(Field {
        regions: [regions.get(0), regions.get(1)],
        exchange: ArrayQueue::new(EXCHANGE),
        size: AtomicUsize::new(SIZES[0]),
        main_region: AtomicUsize::new(0),
        come_to: AtomicU64::new(0),
        go_on_from: AtomicU64::new(0),
        arrived: AtomicU64::new(0),
        stop: AtomicBool::new(false),
        helper_operations: AtomicU64::new(0),
        visitors: AtomicU64::new(0),
        visitor_seed: AtomicU64::new(args.seed),
    }));
    let mut main = Main::new(args.seed);
    let mut totals = vec![RegionTotals::default(); first + 2];
    let helpers: Vec<Helper> = (0..=HELPERS).map(|number| Helper::start(field, number, args.seed, crowd)).collect();
    while crowd && table_use().threads <= HELPERS {
        pass();
    }
    for point in 1..=args.points {
        field.size.store(SIZES[main.random.below(SIZES.len())], Relaxed);
        main.stretch(field, args.ops.div_ceil(args.points));
        main.clear(field);
        field.come_to.store(point, Release);
        while field.arrived.load(Acquire) < point * helpers.len() as u64 {
            pass();
        }
        read_totals(&mut totals);
        if let Err(wrong) = oracle::compare(first, first + 2, &[&main.tally], &totals) {
            fail(format_args!("at point {point}:\n{wrong}"));
        }
        field.stop.store(point == args.points, Relaxed);
        field.go_on_from.store(point, Release);
    }
    helpers.into_iter().for_each(Helper::join);
    let Main { mixed, pure_again, .. } = main;
    if crowd && pure_again > 0 {
        fail(format_args!("of {mixed} mixed pages {pure_again} were flipped while many threads were registered"));
    }
    if !crowd && pure_again < mixed / 10 {
        fail(format_args!(
            "of {mixed} mixed pages only {pure_again} were flipped: the run did not meet what it is for"
        ));
    }
    format!(
        "operations = {} by the main thread, {} by others\nquiescent points = {}\nvisiting threads = {}\n\
         pages seen mixed = {}\npages seen pure again = {}\n",
        main.operations,
        field.helper_operations.load(Relaxed),
        args.points,
        field.visitors.load(Relaxed),
        mixed,
        pure_again,
    )
}

/// Lets somebody else run.
fn pass() {
    // SAFETY: the call has no preconditions.
    unsafe { libc::sched_yield() };
}
