//! The directed run: as many races on as few pages as possible.
//!
//! Blocks of a class with few slots per page, in two regions, freed mostly by others. The main thread is the one that is
//! registered, so that it flips pages, while ghosts (threads without counters) own, free and reallocate slots of the
//! same pages, and threads come, register, allocate, and end.
//!
//! In a crowd the helpers are registered too: entries are written without fences, and no page may be flipped.

use std::ffi::c_void;
use std::ptr::{null, null_mut};
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize};
use std::thread::{self, JoinHandle};

use crossbeam::queue::ArrayQueue;
use heapledger_alloc::{RegionTotals, page_word, read_totals, table_use};
use heapledger_core::RegionId;

use crate::args::Args;
use crate::blocks::{Block, Make, Request, allocate};
use crate::failure::fail;
use crate::ghosts::Ghost;
use crate::oracle::{self, Count, Shared, Tally};
use crate::random::Random;
use crate::regions::Regions;

/// Two and three slots per page, pages with and without a remainder, a page each, and more than one page each.
const SIZES: [usize; 10] = [2048, 2048, 1792, 3584, 3072, 2560, 1280, 1024, 4096, 5120];
/// Helpers: threads in teardown, or in a crowd ordinary ones. One more sends visitors.
const HELPERS: usize = 3;
/// Blocks that a helper holds at most.
const HELPER_HOLDS: usize = 6;
/// Blocks that the main thread holds at most: a few slabs.
const MAIN_HOLDS: usize = 48;
/// Blocks on their way.
const EXCHANGE: usize = 32;
/// Blocks of a thread that comes and ends.
const VISITOR_BLOCKS: usize = 3;
/// The bytes of a page.
const PAGE_BYTES: usize = 4096;

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

/// The registered thread.
struct Main {
    random: Random,
    tally: Tally,
    held: Vec<Block>,
    operations: u64,
    /// Pages that were mixed when last seen, by their number modulo the length.
    mixed_pages: Vec<usize>,
    mixed: u64,
    pure_again: u64,
}

impl Main {
    fn new(seed: u64) -> Main {
        Main {
            random: Random::new(seed, 0),
            tally: Tally::new(),
            held: Vec::with_capacity(MAIN_HOLDS),
            operations: 0,
            mixed_pages: vec![0; 1 << 12],
            mixed: 0,
            pure_again: 0,
        }
    }

    /// Fills slots with blocks of one region, then of the other, and so on.
    fn stretch(&mut self, field: &Field, steps: u64) {
        let end = self.operations + steps;
        while self.operations < end {
            let number = self.random.below(2);
            field.main_region.store(number, Relaxed);
            let region = field.regions[number];
            let _in_region = region.enter();
            for _ in 0..1 + self.random.below(2 * MAIN_HOLDS) {
                self.step(field, region);
            }
        }
    }

    fn step(&mut self, field: &Field, region: RegionId) {
        self.operations += 1;
        let full = self.held.len() == MAIN_HOLDS;
        match self.random.below(16) {
            0..9 if !full => {
                let size = field.size.load(Relaxed);
                let block = allocate(Make::Plain, Request::bytes(size), region.index(), &mut self.tally);
                self.look_at(&block);
                self.held.push(block);
            }
            9..11 => match field.exchange.pop() {
                Some(block) => block.free(&mut self.tally),
                None => self.free_one(),
            },
            11 if !self.held.is_empty() => {
                let at = self.random.below(self.held.len());
                let size = field.size.load(Relaxed);
                self.held[at] = self.held[at].resize(size - self.random.below(2), &mut self.tally);
            }
            12..14 => self.hand_out(field),
            _ => self.free_one(),
        }
    }

    fn free_one(&mut self) {
        if let Some(block) = pick(&mut self.held, &mut self.random) {
            block.free(&mut self.tally);
        }
    }

    fn hand_out(&mut self, field: &Field) {
        if let Some(block) = pick(&mut self.held, &mut self.random)
            && let Err(block) = field.exchange.push(block)
        {
            block.free(&mut self.tally);
        }
    }

    /// Between two sizes nothing stays: the next class finds the same pages.
    fn clear(&mut self, field: &Field) {
        while let Some(block) = self.held.pop().or_else(|| field.exchange.pop()) {
            block.free(&mut self.tally);
        }
        self.mixed_pages.fill(0);
    }

    /// Counts pages that were mixed and are pure again. As all blocks have one class meanwhile, they were flipped.
    fn look_at(&mut self, block: &Block) {
        let page = block.address() / PAGE_BYTES;
        let at = page % self.mixed_pages.len();
        if page_word(block.address()).is_mixed() {
            self.mixed += u64::from(self.mixed_pages[at] != page);
            self.mixed_pages[at] = page;
        } else if self.mixed_pages[at] == page {
            self.pure_again += 1;
            self.mixed_pages[at] = 0;
        }
    }
}

fn pick(held: &mut Vec<Block>, random: &mut Random) -> Option<Block> {
    let at = random.below(held.len().max(1));
    (at < held.len()).then(|| held.swap_remove(at))
}

/// A thread that works beside the main one.
enum Helper {
    Ghost(Ghost),
    Registered(JoinHandle<()>),
}

impl Helper {
    fn start(field: &'static Field, number: usize, seed: u64, crowd: bool) -> Helper {
        let random = Random::new(seed, 1 + number as u64);
        if crowd {
            Helper::Registered(thread::spawn(move || help(field, number, random)))
        } else {
            let mut random = Some(random);
            Helper::Ghost(Ghost::start(Box::new(move || {
                random.take().into_iter().for_each(|random| help(field, number, random));
                false
            })))
        }
    }

    fn join(self) {
        match self {
            Helper::Ghost(ghost) => ghost.join(),
            Helper::Registered(thread) => thread.join().unwrap_or_else(|_| fail(format_args!("a helper panicked"))),
        }
    }
}

/// Works, and rests at each point, until told to stop. The last helper sends visitors instead.
fn help(field: &'static Field, number: usize, mut random: Random) {
    let mut held: [Option<Block>; HELPER_HOLDS] = [None; HELPER_HOLDS];
    let (mut operations, mut point) = (0, 0);
    loop {
        if field.come_to.load(Acquire) > point {
            point += 1;
            field.helper_operations.fetch_add(operations, Relaxed);
            operations = 0;
            field.arrived.fetch_add(1, AcqRel);
            while field.go_on_from.load(Acquire) < point {
                pass();
            }
            if field.stop.load(Relaxed) {
                return held.into_iter().flatten().for_each(|block| block.free(&mut Shared));
            }
        }
        if number == HELPERS {
            visit(field, &mut random);
        } else {
            operations += 1;
            helper_step(field, &mut held[random.below(HELPER_HOLDS)], &mut random);
        }
    }
}

fn helper_step(field: &Field, place: &mut Option<Block>, random: &mut Random) {
    let size = field.size.load(Relaxed);
    match place.take() {
        None if random.one_in(3) => *place = Some(made(field, size, random, &mut Shared)),
        None => {
            if let Some(block) = field.exchange.pop() {
                block.free(&mut Shared);
            }
        }
        Some(block) if random.one_in(4) => *place = Some(block.resize(size, &mut Shared)),
        Some(block) if random.one_in(2) => block.free(&mut Shared),
        Some(block) => {
            if let Err(block) = field.exchange.push(block) {
                block.free(&mut Shared);
            }
        }
    }
}

/// A block, mostly of the region that the main thread is not in.
fn made(field: &Field, size: usize, random: &mut Random, count: &mut impl Count) -> Block {
    let other = usize::from(random.below(4) > 0);
    let region = field.regions[field.main_region.load(Relaxed) ^ other];
    let _in_region = region.enter();
    allocate(Make::Plain, Request::bytes(size), region.index(), count)
}

/// Sends one thread: while it lives two are registered, and the main thread must not flip what it writes to.
fn visit(field: &'static Field, random: &mut Random) {
    for _ in 0..random.below(8) {
        pass();
    }
    let mut thread: libc::pthread_t = 0;
    let argument = core::ptr::from_ref(field).cast_mut().cast();
    // SAFETY: `visitor` takes what it is given as a field, which this is.
    if unsafe { libc::pthread_create(&raw mut thread, null(), visitor, argument) } != 0 {
        fail(format_args!("no thread could be made"));
    }
    // SAFETY: the thread was made above and is joined once.
    if unsafe { libc::pthread_join(thread, null_mut()) } != 0 {
        fail(format_args!("a thread could not be joined"));
    }
}

extern "C" fn visitor(field: *mut c_void) -> *mut c_void {
    // SAFETY: by `visit`, it is a field, which lives as long as the process.
    let field: &'static Field = unsafe { &*field.cast::<Field>() };
    field.visitors.fetch_add(1, Relaxed);
    let mut random = Random::new(field.visitor_seed.fetch_add(1, Relaxed), 0);
    for _ in 0..VISITOR_BLOCKS {
        let block = made(field, field.size.load(Relaxed), &mut random, &mut Shared);
        if let Err(block) = field.exchange.push(block) {
            block.free(&mut Shared);
        }
    }
    null_mut()
}
