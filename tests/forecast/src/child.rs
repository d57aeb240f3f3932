//! The program that is watched: it frees, forecasts, and goes on.

use std::hint::black_box;
use std::time::{Duration, Instant};

use heapledger::{CheckForecast, Figure, LineId, Region, When};
use heapledger_probe::control;

use crate::modes::{Blocks, Doing, Mode};

static FREED: Region = Region::new("freed");
static KEPT: Region = Region::new("kept");

/// One in so many blocks stays.
const STRETCH: usize = 64;

/// Longer than a purge takes.
const AT_IT: Duration = Duration::from_millis(30);

/// What is freed.
const BYTES: usize = 96 << 20;
const MEDIUM_BYTES: usize = 16 << 10;
const OVERSIZE_BYTES: usize = 16 << 20;

/// Times at which the parent looks.
pub const LOOKS: u32 = 60;

/// How long what never goes is watched, in decay times and at least.
const NEVER_DECAYS: f64 = 1.5;
const NEVER_AT_LEAST_MS: f64 = 2_000.0;

/// How long it goes on beyond the last look.
const BEYOND_MS: f64 = 300.0;

/// A block that no thread cache holds.
const UNCACHED_BYTES: usize = 64 << 10;
const PAIRS_AT_ONCE: usize = 200;
const PAUSE: Duration = Duration::from_millis(1);

pub fn run(mut words: impl Iterator<Item = String>) -> Result<(), String> {
    let mode = Mode::find(&words.next().unwrap_or_default())?;
    // Runs of a mode begin at different times of the background threads' sleep.
    let share: f64 = words.next().and_then(|word| word.parse().ok()).unwrap_or_default();
    inside(mode, share).map_err(|error| error.to_string())
}

fn inside(mode: &Mode, share: f64) -> Result<(), heapledger::Error> {
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
        std::thread::sleep(Duration::from_secs_f64(wait_ms / 1e3));
    }
    heapledger::statement()?;
    drop(blocks);
    if mode.background {
        // Threads that are at it have pages in their hands, which are in no state.
        std::thread::sleep(AT_IT);
    }
    let after = heapledger::statement()?;
    let forecast = after.forecast_under(mode.traffic());
    let mut text = String::new();
    let free = after.figure(LineId::Dirty) + after.figure(LineId::Muzzy);
    text.push_str(&format!("says {forecast}\nfree {}\n", free.as_exact().unwrap_or(-1)));
    let until_ms = match forecast.over_after() {
        Some(over) => over.as_secs_f64() * 1e3,
        None => (mode.dirty_decay_ms as f64 * NEVER_DECAYS).max(NEVER_AT_LEAST_MS),
    };
    let never = forecast.parts().iter().filter(|part| part.when == When::Never).count();
    text.push_str(&format!("never {never} of {}\n", forecast.parts().len()));
    for look in 1..=LOOKS {
        let at_ms = until_ms * f64::from(look) / f64::from(LOOKS);
        let (low, high) = band(&forecast.left_after(Duration::from_secs_f64(at_ms / 1e3)));
        text.push_str(&format!("band {at_ms} {low} {high}\n"));
    }
    // The last thing before it goes on: what it says is since the statement.
    let since = forecast.check()?.after;
    // What the statement left in this thread's cache would be given back by and by, and tick.
    let _ = control::flush_thread_cache();
    println!("{text}go {}", since.as_secs_f64() * 1e3);

    go_on(mode.doing, Duration::from_secs_f64((until_ms + BEYOND_MS) / 1e3));
    let check = forecast.check()?;
    println!("check {:?} {check}", check.holds());
    drop(kept);
    Ok(())
}

fn band(figure: &Figure) -> (i64, i64) {
    figure.ends().unwrap_or((-1, -1))
}

fn go_on(doing: Doing, long: Duration) {
    let began = Instant::now();
    while began.elapsed() < long {
        match doing {
            Doing::Nothing => {}
            Doing::Caches => (0..PAIRS_AT_ONCE).for_each(|_| drop(black_box(Box::new([0_u8; 64])))),
            Doing::SlowPath => {
                (0..PAIRS_AT_ONCE).for_each(|_| drop(black_box(Vec::<u8>::with_capacity(UNCACHED_BYTES))));
            }
            Doing::Decay => {
                let _ = control::decay();
            }
        }
        std::thread::sleep(PAUSE);
    }
}
