//! e: when dirty pages go back, mode by mode.

use std::time::{Duration, Instant};

use heapledger::{CheckForecast, Figure, Forecast, LineId, Region, Statement, Traffic};

use super::sizes::LARGE_PAD;
use crate::scenarios::check::Measured;
use crate::scenarios::scene::{KIB, MIB, Report, Row, Scene, SceneError, part, resident, rise};
use crate::scenarios::{Run, Scenario};

static A: Region = Region::new("A");

/// 120 MiB, and with their pads 150. jemalloc grows by mappings of 2, 2.5, 3, … MiB, and 24 is the size at which their sum
/// reaches 137; free neighbours are joined within a mapping.
const BLOCKS: usize = 1920;
const BYTES: usize = 64 * KIB;
const ALL: usize = BLOCKS * BYTES;

/// How far extents are purged behind the curve, in hundredths of all: jemalloc looks at its clock in steps.
const OFF_PERCENT: usize = 7;

/// How late jemalloc looks at its clock.
const LATE: Duration = Duration::from_millis(500);

/// What background threads leave of an arena until they wake next.
const LEFT_BY_THREADS: usize = 4 * MIB;

/// A background thread that happens to purge while blocks are freed takes what is freed meanwhile with it, at once.
/// That is over when the forecast is made.
const PURGE_UNDER_WAY: Duration = Duration::from_millis(200);

/// How much longer than they need background threads are waited for, on a machine that is busy.
const PATIENCE: Duration = Duration::from_secs(20);

/// How long the traffic rests: less than a hundredth of the shortest decay time, which is what a forecast assumes.
const BETWEEN: Duration = Duration::from_millis(5);

/// Free neighbours that are joined at most, and go as a whole: the largest mapping, and the next size in case.
const SIDE_BY_SIDE: usize = 28 * MIB;

/// Blocks of thread-cache traffic at a time. For each 64 KiB that are allocated a cache gives some of what it holds back,
/// which ticks: so few that fewer bytes are allocated while it is watched.
const CACHED_BLOCKS: usize = 2;
const _: () = assert!(CACHED_BLOCKS * 64 * (IDLE.as_millis() / (2 * BETWEEN.as_millis())) as usize <= 64 * KIB);

/// How long is looked whether all stay.
const IDLE: Duration = Duration::from_secs(3);

/// What the main thread makes dirty beside it.
const BESIDE: usize = MIB;

/// What happens after the frees.
struct Mode {
    dirty_ms: i64,
    muzzy_ms: i64,
    threads: bool,
    traffic: Traffic,
}

const fn mode(dirty_ms: i64, muzzy_ms: i64, threads: bool, traffic: Traffic) -> Mode {
    Mode { dirty_ms, muzzy_ms, threads, traffic }
}

macro_rules! runs {
    ($($title:literal, $settings:literal, $mode:expr;)*) => {
        &[$(Run { title: $title, settings: $settings, program: || run(&$mode) }),*]
    };
}

/// Every mode, each in a process of its own, all at the same time.
pub const E: Scenario = Scenario {
    name: "e",
    shows: "when 120 MiB of dirty pages go back, in each mode of decay",
    story: &[
        "120 MiB in blocks of 64 KiB are written and freed. What was freed is then looked at for a while.",
        "Decay time 0: they go at once. -1: never.",
        "Without background threads somebody must allocate beyond the thread's cache, else they never go.",
        "With traffic they follow jemalloc's curve; with background threads they go within a window.",
        "Pages that become muzzy go no later than both times say, and perhaps as they come.",
        "Each time the forecast that was made at the beginning is compared with what is found.",
    ],
    runs: runs! {
        "0, idle", "dirty_decay_ms:0", mode(0, 0, false, Traffic::Idle);
        "never, traffic", "dirty_decay_ms:-1", mode(-1, 0, false, Traffic::Busy);
        "1 s, idle", "dirty_decay_ms:1000", mode(1000, 0, false, Traffic::Idle);
        "1 s, thread cache only", "dirty_decay_ms:1000", mode(1000, 0, false, Traffic::Cached);
        "1 s, traffic", "dirty_decay_ms:1000", mode(1000, 0, false, Traffic::Busy);
        "1 s, background threads", "background_thread:true,dirty_decay_ms:1000", mode(1000, 0, true, Traffic::Idle);
        "1 s, then muzzy 2 s, traffic", "dirty_decay_ms:1000,muzzy_decay_ms:2000", mode(1000, 2000, false, Traffic::Busy);
        "10 s, traffic", "dirty_decay_ms:10000", mode(10_000, 0, false, Traffic::Busy);
        "10 s, background threads", "background_thread:true,dirty_decay_ms:10000", mode(10_000, 0, true, Traffic::Idle);
    },
    at_once: true,
    peak_bytes: 9 * 160 * MIB as u64,
};

fn run(mode: &Mode) -> Result<Report, SceneError> {
    let mut scene =
        Scene::new(&[Row::Region("A"), Row::DirtyOf("A"), Row::Line(LineId::Dirty), Row::Line(LineId::Muzzy)]);
    let mut blocks = Vec::with_capacity(BLOCKS);
    scene.take("warm")?;
    blocks.extend((0..BLOCKS).map(|_| A.scope(|| vec![1_u8; BYTES])));
    let loaded = scene.take("loaded")?;
    scene.exactly("A in use", ALL, resident(&loaded, "A"), "its blocks, written");
    let began = Instant::now();
    blocks.clear();
    let ended = Instant::now();
    if mode.threads {
        std::thread::sleep(PURGE_UNDER_WAY);
    }
    let before = free_at_most("freed")?;
    let freed = scene.take("freed")?;
    let looked = Instant::now();
    let forecast = freed.forecast_under(mode.traffic);
    let (outside, longest) = (Vec::new(), Duration::ZERO);
    let mut watch = Watch { mode, began, ended, loaded, forecast, outside, looks: 0, own: 0, longest, last: ended };
    if mode.dirty_ms == 0 {
        scene.exactly("dirty that was A's", 0, part(&freed, LineId::Dirty, "A"), "the decay time is 0");
        return Ok(scene.finish());
    }
    if let Some(moments) = watch.moments() {
        for after in moments {
            watch.until(after);
            watch.look(&mut scene, after)?;
        }
    } else {
        let (most, left) = (ALL + BLOCKS * LARGE_PAD + BESIDE, watch.left(&freed));
        let reason = "every block, with its pad or without, but for what the clock let go while they were freed";
        scene.within("dirty and muzzy, freed", watch.least_freed(looked), most, left, reason);
        // A statement allocates a little, which may tick: what the first one let go is no traffic. The check of the
        // forecast knows what its own ticks let go, and is the first to look.
        watch.own = before.saturating_sub(free_at_most("freed")?);
        watch.until(IDLE);
        watch.compare()?;
        scene.take("after 3 s")?;
    }
    let outside = i64::try_from(watch.outside.len()).unwrap_or(i64::MAX);
    let Watch { looks, forecast, outside: told, .. } = watch;
    scene.exactly(
        "count of looks at which the forecast did not hold",
        0,
        Measured::Exact(outside),
        &format!(
            "of {looks} looks, within 1 MiB for what the main thread does; it said: {forecast}. {}",
            told.join("; ")
        ),
    );
    Ok(scene.finish())
}

/// What is watched, and since when.
struct Watch<'mode> {
    mode: &'mode Mode,
    /// Before the first block was freed.
    began: Instant,
    /// After the last one was.
    ended: Instant,
    loaded: Statement,
    forecast: Forecast,
    /// Looks at which the forecast did not hold.
    outside: Vec<String>,
    looks: usize,
    /// What the making of the forecast may have let go.
    own: i64,
    /// When there last was traffic, and the longest time without since the frees.
    last: Instant,
    longest: Duration,
}

/// Address space of dirty pages.
fn free_at_most(stage: &str) -> Result<i64, SceneError> {
    let summary = heapledger::quick();
    let summary = summary.map_err(|source| SceneError::Statement { stage: stage.to_owned(), source })?;
    Ok(summary.figure(LineId::Dirty).high().unwrap_or_default())
}

impl Watch<'_> {
    /// When to look; `None` if nothing is to be seen.
    fn moments(&self) -> Option<Vec<Duration>> {
        let moves = self.mode.threads || self.mode.traffic == Traffic::Busy;
        let (Ok(dirty), Ok(muzzy)) = (u64::try_from(self.mode.dirty_ms), u64::try_from(self.mode.muzzy_ms)) else {
            return None;
        };
        // In hundredths of the whole time; background threads may sleep for one of it before they begin.
        let parts: &[u64] = if self.mode.threads { &[10, 30, 50, 300] } else { &[25, 50, 75, 150] };
        moves.then(|| parts.iter().map(|part| Duration::from_millis((dirty + muzzy) * part / 100) + LATE).collect())
    }

    /// Lets time pass, with the traffic of the mode.
    fn until(&mut self, after: Duration) {
        while self.ended.elapsed() < after {
            self.longest = self.longest.max(self.last.elapsed());
            self.last = Instant::now();
            match self.mode.traffic {
                Traffic::Busy => traffic(1000, 40 * KIB),
                Traffic::Cached => traffic(CACHED_BLOCKS, 64),
                _ => {}
            }
            std::thread::sleep(if self.mode.traffic == Traffic::Busy { BETWEEN } else { 2 * BETWEEN });
        }
    }

    /// What is dirty or muzzy at least at a moment after the frees, which tick: what the curve leaves of the first one by
    /// then, less what lies side by side for each step of jemalloc's clock that the frees took, and once more. (After
    /// something went, as much that comes next is not counted as new, so that it may go at the next step.)
    fn least_freed(&self, looked: Instant) -> usize {
        let Ok(dirty_ms) = u64::try_from(self.mode.dirty_ms) else { return ALL };
        let share = looked.duration_since(self.began).as_secs_f64() * 1e3 / dirty_ms as f64;
        let gone = (ALL as f64 * curve(share.min(1.0))) as usize;
        let step_ms = (dirty_ms / 200).max(1);
        let steps = (self.ended.duration_since(self.began).as_millis() as u64 / step_ms) as usize;
        ALL.saturating_sub(gone + SIDE_BY_SIDE * (1 + steps))
    }

    /// Dirty and muzzy, over what there was before.
    fn left(&self, statement: &Statement) -> Figure {
        rise(&self.loaded, statement, LineId::Dirty) + rise(&self.loaded, statement, LineId::Muzzy)
    }

    /// Compares the forecast with what is there now.
    fn compare(&mut self) -> Result<(), SceneError> {
        let check = self.forecast.check();
        let check = check.map_err(|source| SceneError::Refused { doing: "check the forecast", source })?;
        self.looks += 1;
        let beside = i64::try_from(BESIDE).unwrap_or(i64::MAX);
        let latest = self.forecast.left_after(check.after.saturating_sub(self.late())).high();
        let held = check.said.low().zip(latest).zip(check.found.ends()).is_some_and(|((least, most), found)| {
            // What was found is known up to what the check itself let go.
            least.saturating_sub(beside) <= found.1 + self.own && found.0 <= most.saturating_add(beside)
        });
        if !held {
            self.outside.push(check.to_string());
        }
        Ok(())
    }

    /// How much later than a forecast assumes of busy threads jemalloc can have looked at its clock: at the look that
    /// counted the pages, and at the last one.
    fn late(&self) -> Duration {
        let longest = self.longest.max(self.last.elapsed());
        let assumed = Duration::from_millis(self.mode.dirty_ms.unsigned_abs()) / 100;
        if self.mode.traffic == Traffic::Busy && longest > assumed { 2 * longest } else { Duration::ZERO }
    }

    fn look(&mut self, scene: &mut Scene, after: Duration) -> Result<(), SceneError> {
        // What is found was so at some time between the two.
        let earliest = self.ended.elapsed();
        self.wait_for_threads(earliest)?;
        let statement = scene.take(&format!("{:.2} s", after.as_secs_f64()))?;
        let latest = self.began.elapsed();
        self.compare()?;
        let left = self.left(&statement);
        let what = format!("dirty and muzzy, after {:.2} s", after.as_secs_f64());
        let (least, most, reason) = self.bounds(earliest, latest);
        if least > 0 {
            scene.within(&what, least, most, left, reason);
        } else {
            // What was dirty before may have gone too, so nothing is the least.
            scene.at_most(&what, most, left, reason);
        }
        Ok(())
    }

    /// Where all must have gone by now, gives background threads the time that a busy machine took from them.
    fn wait_for_threads(&self, earliest: Duration) -> Result<(), SceneError> {
        let enough = |left: Figure| left.high().is_some_and(|bytes| bytes <= (LEFT_BY_THREADS + BESIDE) as i64);
        while self.mode.threads && self.is_over(earliest) && self.ended.elapsed() < earliest + PATIENCE {
            let now = heapledger::statement();
            let now = now.map_err(|source| SceneError::Statement { stage: "the end".to_owned(), source })?;
            if enough(self.left(&now)) {
                break;
            }
            std::thread::sleep(LATE);
        }
        Ok(())
    }

    /// Whether background threads must have been at work for one decay time.
    fn is_over(&self, earliest: Duration) -> bool {
        let dirty = Duration::from_millis(self.mode.dirty_ms.unsigned_abs());
        earliest > dirty * 3 / 2 + dirty + LATE
    }

    /// What can be left, if the look was between these two times after the frees.
    fn bounds(&self, earliest: Duration, latest: Duration) -> (usize, usize, &'static str) {
        let decay = |ms: i64| Duration::from_millis(ms.unsigned_abs());
        let (dirty, muzzy) = (decay(self.mode.dirty_ms), decay(self.mode.muzzy_ms));
        let whole = ALL + BLOCKS * LARGE_PAD;
        let off = whole * OFF_PERCENT / 100;
        if self.mode.threads {
            let most = if self.is_over(earliest) { LEFT_BY_THREADS + BESIDE } else { whole + BESIDE };
            return (0, most, "background threads begin within one decay time, and leave 4 MiB");
        }
        if !muzzy.is_zero() {
            let over = earliest > dirty + muzzy + LATE;
            let most = if over { off } else { whole + BESIDE };
            return (0, most, "dirty pages are muzzy for a decay time of their own before they go");
        }
        let share = |at: Duration| curve(1.0 - at.as_secs_f64() / dirty.as_secs_f64());
        // Sizes are exact in a float, and shares are between 0 and 1.
        let bytes = |share: f64| (whole as f64 * share) as usize;
        let least = bytes(share(latest)).saturating_sub(SIDE_BY_SIDE + BLOCKS * LARGE_PAD);
        let most = bytes(share(earliest.saturating_sub(LATE))) + off + BESIDE;
        (least, most, "6x^5 - 15x^4 + 10x^3 of all, x being what is left of the decay time")
    }
}

/// How much jemalloc leaves when this share of the decay time is left.
fn curve(x: f64) -> f64 {
    let x = x.clamp(0.0, 1.0);
    x * x * x * (x * (6.0 * x - 15.0) + 10.0)
}

/// Blocks are allocated and freed again, one after the other.
fn traffic(blocks: usize, bytes: usize) {
    for _ in 0..blocks {
        drop(std::hint::black_box(Vec::<u8>::with_capacity(bytes)));
    }
}
