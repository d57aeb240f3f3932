//! What happens beside the workers: one show in each stretch, in turn.

use std::cell::RefCell;
use std::fmt::Write as _;
use std::thread;

use heapledger_core::RegionId;

use crate::args::Args;
use crate::blocks::Block;
use crate::failure::fail;
use crate::ghosts::{Ghost, wander};
use crate::oracle::Shared;
use crate::random::Random;
use crate::worker::World;

mod tasks;

/// Short threads of a whole run.
const SHORT_THREADS: u64 = 10_000;
/// Shows take turns.
const KINDS: u64 = 4;
/// Short threads that live at once.
const AT_ONCE: u64 = 8;
/// Operations of a short thread.
const SHORT_STEPS: usize = 12;
/// Blocks that a short thread holds at most.
const HELD: usize = 6;
/// Ghosts of one show.
const GHOSTS: usize = 6;
/// Rounds of destructors in which a ghost comes back.
const COME_BACK: usize = 2;

/// Counts what was shown.
pub struct Shows {
    world: &'static World,
    random: Random,
    short_threads_each: u64,
    short_threads: u64,
    ghosts: u64,
    tasks: tasks::Shown,
}

impl Shows {
    /// Spreads the short threads over the run.
    pub fn new(world: &'static World, args: &Args) -> Shows {
        // One point in ten is the main thread's own and has no show.
        let times = (args.points * 9 / 10 / KINDS).max(1);
        Shows {
            world,
            random: Random::new(args.seed, 1 << 32),
            short_threads_each: SHORT_THREADS.div_ceil(times).next_multiple_of(AT_ONCE),
            short_threads: 0,
            ghosts: 0,
            tasks: tasks::Shown::default(),
        }
    }

    /// The show of the stretch that ends with this point.
    pub fn next(&mut self, point: u64) {
        match point % KINDS {
            0 => tasks::show(self.world, &mut self.random, &mut self.tasks),
            1 => self.short_threads(),
            2 => self.ghosts(),
            _ => {}
        }
    }

    /// Shows what is still missing when the last point has come.
    pub fn finish(&mut self) {
        while self.short_threads < SHORT_THREADS {
            self.short_threads();
        }
    }

    /// What was shown, in lines.
    pub fn report(&self) -> String {
        let mut lines = format!("short threads = {}\nghosts = {}\n", self.short_threads, self.ghosts);
        // Writing to a string cannot fail.
        let _ = write!(lines, "{}", self.tasks);
        lines
    }

    /// Threads that do little and end: their counters go to the next one, their blocks to whoever gets them.
    fn short_threads(&mut self) {
        for _ in 0..self.short_threads_each / AT_ONCE {
            let threads: Vec<_> = (0..AT_ONCE)
                .map(|_| {
                    let (world, random) = (self.world, Random::new(self.random.next(), 0));
                    thread::spawn(move || short_thread(world, random))
                })
                .collect();
            self.short_threads += AT_ONCE;
            for thread in threads {
                thread.join().unwrap_or_else(|_| fail(format_args!("a short thread panicked")));
            }
        }
    }

    /// Threads that Rust does not know, whose destructors allocate and free, and come back.
    fn ghosts(&mut self) {
        let ghosts: Vec<_> = (0..GHOSTS)
            .map(|number| {
                let (world, mut random) = (self.world, Random::new(self.random.next(), 0));
                let mut left = COME_BACK;
                let stays_in = (number % 2 == 0).then(|| world.regions.pick(&mut random));
                let mut late = Late::new(world);
                Ghost::start(
                    stays_in,
                    Box::new(move || {
                        late.work(&mut random, stays_in);
                        left -= 1;
                        left > 0
                    }),
                )
            })
            .collect();
        self.ghosts += GHOSTS as u64;
        ghosts.into_iter().for_each(Ghost::join);
    }
}

/// Blocks that outlive their thread's function, and are dealt with when it is dropped.
struct Late {
    world: &'static World,
    held: [Option<Block>; HELD],
}

impl Late {
    fn new(world: &'static World) -> Late {
        Late { world, held: [None; HELD] }
    }

    fn work(&mut self, random: &mut Random, stays_in: Option<RegionId>) {
        for _ in 0..SHORT_STEPS {
            wander(&mut self.held, self.world, random, stays_in);
        }
    }
}

impl Drop for Late {
    fn drop(&mut self) {
        // In a thread-local destructor: some allocation, and then everything goes.
        let mut random = Random::new(self.held.iter().flatten().map(|block| block.address() as u64).sum(), 0);
        self.work(&mut random, None);
        for block in self.held.iter_mut().filter_map(Option::take) {
            if random.one_in(2) {
                self.world.send(block, &mut random, &mut Shared);
            } else {
                block.free(&mut Shared);
            }
        }
    }
}

thread_local! {
    static LATE: RefCell<Option<Late>> = const { RefCell::new(None) };
}

fn short_thread(world: &'static World, mut random: Random) {
    LATE.with_borrow_mut(|late| late.insert(Late::new(world)).work(&mut random, None));
}
