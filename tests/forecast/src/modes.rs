//! The modes: settings, what the program does, and what is assumed of it.

use heapledger::Traffic;

/// What the program does after the free.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub enum Doing {
    /// It sleeps.
    Nothing,
    /// It allocates and frees one small block.
    Caches,
    /// It allocates and frees a block that no cache holds.
    SlowPath,
    /// It calls arena.decay.
    Decay,
}

/// What it freed.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub enum Blocks {
    /// Of 16 KiB, every 64th of which stays: what lies side by side is a small share.
    Medium,
    /// The same, and all go: what lies side by side is a large share, and goes as a whole.
    Contiguous,
    /// Of 16 MiB: they have an arena of their own.
    Oversize,
}

#[derive(Debug)]
pub struct Mode {
    pub name: &'static str,
    pub background: bool,
    pub dirty_decay_ms: i64,
    pub muzzy_decay_ms: i64,
    pub doing: Doing,
    pub blocks: Blocks,
    /// Whether background threads slept without a time to wake when the memory was freed.
    pub asleep: bool,
    pub gate: Gate,
}

/// How sharp the forecast must be: the mean width of its band, as a share of what was free.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub enum Gate {
    /// Nothing goes, and the band has no width.
    Never,
    /// Nothing is free when the statement is taken.
    Nothing,
    /// Ticks are driven.
    Ticks,
    /// Ticks are driven, but large parts go as a whole.
    Coarse,
    /// Background threads.
    Background,
}

impl Gate {
    pub fn width(self) -> f64 {
        match self {
            Self::Never | Self::Nothing => 0.0,
            Self::Ticks => 0.15,
            Self::Coarse | Self::Background => 0.5,
        }
    }
}

const OFF: Mode = Mode {
    name: "",
    background: false,
    dirty_decay_ms: 10_000,
    muzzy_decay_ms: 0,
    doing: Doing::Nothing,
    blocks: Blocks::Medium,
    asleep: false,
    gate: Gate::Never,
};

const BUSY: Mode = Mode { doing: Doing::SlowPath, gate: Gate::Ticks, ..OFF };
const ON: Mode = Mode { background: true, gate: Gate::Background, ..OFF };
const NEVER: i64 = -1;

pub static MODES: [Mode; 25] = [
    Mode { name: "off-idle-10s", ..OFF },
    Mode { name: "off-idle-1s", dirty_decay_ms: 1_000, ..OFF },
    Mode { name: "off-cached-10s", doing: Doing::Caches, ..OFF },
    Mode { name: "off-cached-1s", doing: Doing::Caches, dirty_decay_ms: 1_000, ..OFF },
    Mode { name: "off-busy-10s", ..BUSY },
    Mode { name: "off-busy-1s", dirty_decay_ms: 1_000, ..BUSY },
    Mode { name: "off-busy-coarse", dirty_decay_ms: 1_000, blocks: Blocks::Contiguous, gate: Gate::Coarse, ..BUSY },
    Mode { name: "off-decay-10s", doing: Doing::Decay, ..BUSY },
    Mode { name: "off-decay-1s", doing: Doing::Decay, dirty_decay_ms: 1_000, ..BUSY },
    Mode { name: "off-busy-0", dirty_decay_ms: 0, gate: Gate::Nothing, ..BUSY },
    Mode { name: "off-busy-never", dirty_decay_ms: NEVER, gate: Gate::Never, ..BUSY },
    Mode { name: "off-busy-muzzy", dirty_decay_ms: 2_000, muzzy_decay_ms: 5_000, ..BUSY },
    Mode { name: "off-busy-muzzy-short", dirty_decay_ms: 1_000, muzzy_decay_ms: 1_000, ..BUSY },
    Mode { name: "on-idle-10s", ..ON },
    Mode { name: "on-idle-1s", dirty_decay_ms: 1_000, ..ON },
    Mode { name: "on-asleep-10s", asleep: true, ..ON },
    Mode { name: "on-asleep-1s", asleep: true, dirty_decay_ms: 1_000, ..ON },
    Mode { name: "on-busy-10s", doing: Doing::SlowPath, ..ON },
    Mode { name: "on-busy-1s", doing: Doing::SlowPath, dirty_decay_ms: 1_000, ..ON },
    Mode { name: "on-cached-1s", doing: Doing::Caches, dirty_decay_ms: 1_000, ..ON },
    Mode { name: "on-idle-never", dirty_decay_ms: NEVER, gate: Gate::Never, ..ON },
    Mode { name: "on-idle-muzzy", dirty_decay_ms: 2_000, muzzy_decay_ms: 5_000, ..ON },
    Mode { name: "on-idle-muzzy-short", dirty_decay_ms: 1_000, muzzy_decay_ms: 1_000, ..ON },
    Mode { name: "on-idle-oversize-10s", blocks: Blocks::Oversize, ..ON },
    Mode { name: "on-idle-oversize-1s", blocks: Blocks::Oversize, dirty_decay_ms: 1_000, ..ON },
];

/// Decay times of a short mode.
const SHORT_MS: i64 = 1_000;

impl Mode {
    pub fn find(name: &str) -> Result<&'static Self, String> {
        MODES.iter().find(|mode| mode.name == name).ok_or_else(|| {
            let names: Vec<&str> = MODES.iter().map(|mode| mode.name).collect();
            format!("no mode {name}; there are {}", names.join(", "))
        })
    }

    pub fn is_short(&self) -> bool {
        self.dirty_decay_ms <= SHORT_MS && self.muzzy_decay_ms <= SHORT_MS
    }

    /// How much later than is assumed of traffic jemalloc's clock can have been looked at, in milliseconds, if the traffic
    /// once rested so long: at the look that counted the pages, and at the last one. A machine that has other things to do
    /// makes it rest.
    pub fn late_ms(&self, longest_ms: f64) -> f64 {
        let times = [self.dirty_decay_ms, self.muzzy_decay_ms].into_iter().filter(|ms| *ms > 0);
        let assumed = times.min().unwrap_or_default() as f64 / 100.0;
        let drives = !self.background && self.traffic() == Traffic::Busy;
        if drives && longest_ms > assumed { 2.0 * longest_ms } else { 0.0 }
    }

    /// What is told to the forecast.
    pub fn traffic(&self) -> Traffic {
        match self.doing {
            Doing::Nothing => Traffic::Idle,
            Doing::Caches => Traffic::Cached,
            Doing::SlowPath | Doing::Decay => Traffic::Busy,
        }
    }
}
