//! The pure half of heapledger: plain numbers in, a statement out.
//!
//! Three stages, each of its own module, none of which reads a clock, a file, a global or the allocator:
//!
//! 1. [`Readings`] are the plain numbers that somebody read: the ledger's counters, the kernel's status, jemalloc's
//!    statistics, each with a reason in its place where it could not be read.
//! 2. [`Summary::from_readings`] does the arithmetic. Every figure of the result is a [`Figure`]: exact, an interval
//!    that is true, or unknown with a reason and a remedy. Nothing is clamped and no unknown is ever shown as zero.
//! 3. The summary is rendered as text by [`Display`](core::fmt::Display) and, with feature `serde`, as JSON by
//!    `Summary::to_json`. Neither recomputes anything.
//!
//! What lines there are, where they stand, whether they may be summed and what they mean is decided in one place,
//! [`lines::LINES`]; the text, the JSON and `docs/reading-the-statement.md` are generated from it.
//!
//! Programs use this crate through the crate `heapledger`, which does the reading.
//!
//! ```
//! use heapledger_statement::{Figure, LineId, Readings, Summary, Why};
//!
//! let mut readings = Readings::unread(Why::new("nothing was read", "read something"));
//! readings.status.rss_bytes = Ok(10 << 20);
//! let summary = Summary::from_readings(readings);
//! assert_eq!(summary.figure(LineId::Rss), Figure::Exact(10 << 20));
//! assert!(summary.figure(LineId::Dirty).is_unknown());
//! ```
#![forbid(unsafe_code)]
#![warn(missing_docs)]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod diff;
pub mod doubts;
mod figure;
pub mod findings;
mod flow;
mod forecast;
mod fragmentation;
mod growth;
pub mod guide;
#[cfg(feature = "serde")]
pub mod json;
pub mod lines;
pub mod paths;
mod readings;
pub mod settings;
mod stage;
mod statement;
mod summary;
mod text;
mod units;
mod verdict;
mod view;

pub use diff::{Between, Diff, Moment, RegionChange};
pub use doubts::Doubt;
pub use figure::{Figure, Why};
pub use findings::{Finding, FindingId};
pub use flow::{
    FlowCell, FlowCounters, FlowReadings, FlowRow, Held, Holder, PageFlow, PageOwner, RegionName, Share, Stretch,
    Stretches, Went,
};
pub use forecast::{Forecast, ForecastCheck, ForecastPart, Traffic, When};
pub use fragmentation::{ClassSlabs, Fragmentation, Pin};
pub use growth::{Growth, Marked, growth};
pub use lines::{Depth, LineId};
pub use readings::{
    ArenaDecayReading, ArenaFreeReading, CgroupReading, ClassPagesReading, ClockReading, EarlierReading, FallenNames,
    Flow, FreeExtentsReading, FullReadings, GlibcReading, HeapReading, JemallocReading, LargeExtentsReading,
    MotionReading, OwnTablesReading, PinsReading, RangeReading, Reading, Readings, RegionPagesReading, RegionReading,
    Resident, RollupReading, SlotsReading, StatusReading, ThpMode, WalkReading,
};
pub use settings::{SettingId, SettingValue};
pub use stage::{Expect, Pattern, ReleaseReadings, Since, Stage, StageKind, StageReadings};
pub use statement::{Check, CheckId, Part, StatedLine, Statement, UnattributedRange};
pub use summary::{ClassFigure, RegionFigures, Summary};
pub use verdict::{Judged, VERDICTS, Verdict, Verdicts};
