//! The program that is watched: it frees, forecasts, and goes on.

use std::fs::File;
use std::hint::black_box;
use std::io::Read;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use heapledger::{CheckForecast, Figure, LineId, Region, When};
use heapledger_probe::control;
use heapledger_probe::read::{self, Jemalloc};

use crate::modes::{Blocks, Doing, Mode};

static FREED: Region = Region::new("freed");
static KEPT: Region = Region::new("kept");

/// One in so many blocks stays.
const STRETCH: usize = 64;

/// Longer than a purge takes on a machine that does nothing else, and how often that is waited for on one that does.
const AT_IT: Duration = Duration::from_millis(30);
const AT_IT_AT_MOST: usize = 50;

/// What is freed.
const BYTES: usize = 96 << 20;
const MEDIUM_BYTES: usize = 16 << 10;
const OVERSIZE_BYTES: usize = 16 << 20;

/// Times at which the parent looks, and for each so many at which the band is told: a look may be late.
pub const LOOKS: usize = 60;
pub const TOLD_PER_LOOK: usize = 10;

const PAGE_BYTES: u64 = 4096;

/// More than what is told takes.
const TEXT_BYTES: usize = 64 << 10;

/// How long what never goes is watched, in decay times and at least.
const NEVER_DECAYS: f64 = 1.5;
const NEVER_AT_LEAST_MS: f64 = 2_000.0;

/// A block that no thread cache holds.
const UNCACHED_BYTES: usize = 64 << 10;
const PAIRS_AT_ONCE: usize = 200;
const PAUSE: Duration = Duration::from_millis(1);

/// A block that a thread cache holds ten of when it has fetched some, so that it gives back no more than these, ever. Of
/// 64 bytes it fetches a hundred and gives most of them back when they are not used, which is a hundred of the thousand
/// events at which a clock is looked at.
const CACHED_BYTES: usize = 1 << 10;

/// Whether the parent has seen enough.
static ENOUGH: AtomicBool = AtomicBool::new(false);

pub fn run(mut words: impl Iterator<Item = String>) -> Result<(), String> {
    let mode = Mode::find(&words.next().unwrap_or_default())?;
    // Runs of a mode begin at different times of the background threads' sleep.
    let share: f64 = words.next().and_then(|word| word.parse().ok()).unwrap_or_default();
    inside(mode, share).map_err(|error| error.to_string())
}

/// Waits beside the program until the parent closes its end, and never ends: the end of a thread looks at clocks.
fn listen() {
    thread::spawn(|| {
        if let Ok(mut parent) = File::open("/dev/stdin") {
            let _ = parent.read(&mut [0]);
        }
        // The flag alone is read.
        ENOUGH.store(true, Relaxed);
        loop {
            thread::park();
        }
    });
}

fn inside(mode: &Mode, share: f64) -> Result<(), heapledger::Error> {
    listen();
    // The buffer of what is printed is made before anything is measured, as is that of what is told.
    println!("begins");
    let mut text = String::with_capacity(TEXT_BYTES);
    heapledger::configure().dirty_decay_ms(mode.dirty_decay_ms)?.muzzy_decay_ms(mode.muzzy_decay_ms)?;
    if mode.background {
        heapledger::configure().background_threads(true)?;
    }
    let block = match mode.blocks {
        Blocks::Medium | Blocks::Contiguous => MEDIUM_BYTES,
        Blocks::Oversize => OVERSIZE_BYTES,
    };
    let mut kept = Vec::with_capacity(BYTES / block / STRETCH);
    let mut blocks = Vec::with_capacity(BYTES / block);
    for number in 0..BYTES / block {
        if mode.blocks == Blocks::Medium && number % STRETCH == 0 {
            kept.push(KEPT.scope(|| vec![1_u8; block]));
        } else {
            blocks.push(FREED.scope(|| vec![1_u8; block]));
        }
    }
    heapledger::statement()?;
    if mode.background {
        let decay = mode.dirty_decay_ms.max(0) as f64;
        // After two decay times without anything to do they sleep until they are woken.
        let wait_ms = if mode.asleep { decay * 2.5 } else { decay * share };
        if !mode.asleep {
            // A little is dirty, so that they sleep for a decay time.
            drop(black_box(vec![1_u8; 3 * MEDIUM_BYTES]));
        }
        thread::sleep(Duration::from_secs_f64(wait_ms / 1e3));
    }
    let earlier = Instant::now();
    heapledger::statement()?;
    let all = pages_in_any_state();
    drop(blocks);
    if mode.background {
        // Threads that are at it have pages in their hands, which are in no state, and which the forecast is not of.
        for _ in 0..AT_IT_AT_MOST {
            thread::sleep(AT_IT);
            if pages_in_any_state() >= all {
                break;
            }
        }
    }
    let free_before = free_pages();
    let after = heapledger::statement()?;
    // What goes from now on counts, also what its own frees let go.
    let (taken, began, anon) = (SystemTime::now(), Instant::now(), anon_bytes());
    let forecast = after.forecast_under(mode.traffic());
    let free = after.figure(LineId::Dirty) + after.figure(LineId::Muzzy);
    text.push_str(&format!("says {forecast}\nfree {}\n", free.as_exact().unwrap_or(-1)));
    let until_ms = match forecast.over_after() {
        Some(over) => over.as_secs_f64() * 1e3,
        None => (mode.dirty_decay_ms as f64 * NEVER_DECAYS).max(NEVER_AT_LEAST_MS),
    };
    let never = forecast.parts().iter().filter(|part| part.when == When::Never).count();
    text.push_str(&format!("never {never} of {}\n", forecast.parts().len()));
    let times = LOOKS * TOLD_PER_LOOK;
    for time in 1..=times {
        let at_ms = until_ms * time as f64 / times as f64;
        let (low, high) = band(&forecast.left_after(Duration::from_secs_f64(at_ms / 1e3)));
        text.push_str(&format!("band {at_ms} {low} {high}\n"));
    }
    let anon = if mode.doing == Doing::Caches {
        // What the statement left in this thread's cache would be given back by and by, and tick. So does this; what it
        // lets go is not the traffic's doing.
        let _ = control::flush_thread_cache();
        anon_bytes()
    } else {
        anon
    };
    let taken = taken.duration_since(UNIX_EPOCH).unwrap_or_default();
    // What the making of the forecast let go, where nothing goes by itself, its own check must know.
    let own = if forecast.is_never() { free_before.saturating_sub(free_pages()) * PAGE_BYTES } else { 0 };
    let freed_within = began.duration_since(earlier);
    println!("{text}within {}", freed_within.as_secs_f64() * 1e3);
    println!("anon {}\ntaken {}", anon.unwrap_or(-1), taken.as_secs_f64() * 1e3);

    let longest = go_on(mode.doing, began);
    println!("pause {}", longest.as_secs_f64() * 1e3);
    let check = forecast.check()?;
    let check = forecast.compare(check.after, check.found + Figure::up_to(own));
    println!("check {:?} {check}", check.holds());
    drop(kept);
    Ok(())
}

fn band(figure: &Figure) -> (i64, i64) {
    figure.ends().unwrap_or((-1, -1))
}

/// Dirty and muzzy pages.
fn free_pages() -> u64 {
    read::stats(&Jemalloc).map_or(0, |stats| stats.pdirty + stats.pmuzzy)
}

/// Pages of jemalloc's, but for those that are being purged.
fn pages_in_any_state() -> Option<u64> {
    let stats = read::stats(&Jemalloc).ok()?;
    Some(stats.pactive + stats.pdirty + stats.pmuzzy + stats.retained_bytes.checked_div(stats.page_bytes)?)
}

/// What the kernel counts of this process's own memory; read without any of it.
fn anon_bytes() -> Option<i64> {
    let mut text = [0; 4096];
    let read = File::open("/proc/self/status").ok()?.read(&mut text).ok()?;
    let line = str::from_utf8(text.get(..read)?).ok()?.lines().find_map(|line| line.strip_prefix("RssAnon:"))?;
    line.trim().strip_suffix(" kB")?.parse::<i64>().ok()?.checked_mul(1024)
}

/// Does so until the parent has seen enough; the longest time without, since the statement.
fn go_on(doing: Doing, began: Instant) -> Duration {
    let (mut last, mut longest) = (began, Duration::ZERO);
    while !ENOUGH.load(Relaxed) {
        longest = longest.max(last.elapsed());
        last = Instant::now();
        match doing {
            Doing::Nothing => {}
            Doing::Caches => drop(black_box(Vec::<u8>::with_capacity(CACHED_BYTES))),
            Doing::SlowPath => {
                (0..PAIRS_AT_ONCE).for_each(|_| drop(black_box(Vec::<u8>::with_capacity(UNCACHED_BYTES))));
            }
            Doing::Decay => {
                let _ = control::decay();
            }
        }
        thread::sleep(PAUSE);
    }
    longest
}
