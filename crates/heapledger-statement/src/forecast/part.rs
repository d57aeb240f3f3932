//! Parts of a forecast: pages that go or stay for one reason.

use std::borrow::Cow;

use super::curve::Band;
use super::pool::{Driver, Pool};
use super::{State, Traffic};
use crate::{Figure, LineId, SettingId};

/// Free pages that go, or stay, for one reason.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct ForecastPart {
    /// [`LineId::Dirty`] or [`LineId::Muzzy`].
    pub line: LineId,
    /// Resident bytes.
    pub bytes: Figure,
    /// When they have gone.
    pub when: When,
    /// The setting that decides.
    pub decided_by: SettingId,
    /// Why so, in words.
    pub because: Cow<'static, str>,
    /// What would let them go, where they never do: an expression to be called.
    pub remedy: Option<&'static str>,
}

/// When pages have gone.
#[derive(Copy, Clone, Debug, Eq, PartialEq, Hash)]
pub enum When {
    /// They stay until somebody purges or the program needs them.
    Never,
    /// They have all gone at some time in a window.
    Within {
        /// Not before, in milliseconds after the statement.
        from_ms: u64,
        /// Not later, but for at most 8 MiB of each arena where background threads purge.
        until_ms: u64,
        /// Then those have gone too.
        gone_ms: u64,
    },
}

const ENABLE: &str = "heapledger::configure().background_threads(true)";
const DECAY: &str = "heapledger::configure().dirty_decay_ms(10_000)?.background_threads(true)";
const MUZZY: &str = "heapledger::configure().muzzy_decay_ms(0)?.background_threads(true)";
pub(crate) const BOTH: &str =
    "heapledger::configure().dirty_decay_ms(10_000)?.muzzy_decay_ms(0)?.background_threads(true)";

pub(super) fn parts(state: &State, traffic: Traffic) -> Vec<ForecastPart> {
    let mut parts = Vec::new();
    for (line, whole) in [(LineId::Dirty, state.dirty), (LineId::Muzzy, state.muzzy)] {
        let bytes_in = |pool: &Pool| if line == LineId::Dirty { pool.dirty } else { pool.muzzy };
        let pools = state.pools.iter().filter(|pool| bytes_in(pool).high > 0.0);
        let of_pools: Vec<_> = pools.map(|pool| part(state.driver, pool, line, bytes_in(pool), traffic)).collect();
        parts.extend(joined(of_pools, rounded(whole)));
    }
    parts.sort_by_key(|part| std::cmp::Reverse(part.bytes.high()));
    parts
}

/// Parts of one line that go or stay for the same reason and at the same time, as one each. How many bytes are in which
/// may not be known as well as how many there are in all.
fn joined(parts: Vec<ForecastPart>, whole: Figure) -> Vec<ForecastPart> {
    if parts.len() < 2 {
        return parts;
    }
    let mut joined: Vec<ForecastPart> = Vec::new();
    for part in parts {
        let same = |other: &&mut ForecastPart| {
            other.when == part.when && other.because == part.because && other.remedy == part.remedy
        };
        match joined.iter_mut().find(same) {
            Some(other) => other.bytes = other.bytes.clone() + part.bytes,
            None => joined.push(part),
        }
    }
    if let [all] = &mut joined[..] {
        all.bytes = whole;
    }
    joined
}

/// Rounded outwards; no process has 2^53 bytes free.
pub(super) fn rounded(bytes: Band) -> Figure {
    Figure::within(bytes.low.floor() as i64, bytes.high.ceil() as i64)
}

fn part(driver: Driver, pool: &Pool, line: LineId, bytes: Band, traffic: Traffic) -> ForecastPart {
    let dirty = line == LineId::Dirty;
    let stays = if dirty { pool.dirty_stays(driver) } else { pool.muzzy_stays(driver) };
    let (decided_by, because, remedy) = if dirty && pool.dirty_decay_ms < 0 {
        // What decays would become muzzy, and stay so.
        let remedy = if pool.muzzy_decay_ms < 0 { BOTH } else { DECAY };
        (SettingId::DirtyDecayMs, "dirty_decay_ms is -1".into(), Some(remedy))
    } else if pool.muzzy_decay_ms < 0 {
        (SettingId::MuzzyDecayMs, "muzzy_decay_ms is -1".into(), Some(MUZZY))
    } else if driver == Driver::Nobody {
        let ticks = if traffic == Traffic::Cached { "thread caches do not tick" } else { "nothing ticks" };
        (SettingId::BackgroundThread, format!("no background threads, {ticks}").into(), Some(ENABLE))
    } else {
        let who = if driver == Driver::Background { "background threads" } else { "traffic" };
        let (setting, ms) = match dirty {
            true => (SettingId::DirtyDecayMs, pool.dirty_decay_ms),
            false => (SettingId::MuzzyDecayMs, pool.muzzy_decay_ms),
        };
        (setting, format!("{} {ms}, {who}", setting.row().key).into(), None)
    };
    let when = if stays { When::Never } else { window(driver, pool, dirty) };
    ForecastPart { line, bytes: rounded(bytes), when, decided_by, because, remedy }
}

/// Halvings of the time in which the band's lower end first is 0.
const HALVINGS: u32 = 40;

fn window(driver: Driver, pool: &Pool, dirty: bool) -> When {
    let left = |t_ms| if dirty { pool.dirty_left(driver, t_ms) } else { pool.muzzy_left(driver, t_ms) };
    let until_ms = if dirty { pool.dirty_until_ms(driver) } else { pool.muzzy_until_ms(driver) };
    let (mut some_left, mut none_left) = (0.0, until_ms);
    for _ in 0..HALVINGS {
        let middle = (some_left + none_left) / 2.0;
        if left(middle).low > 0.0 { some_left = middle } else { none_left = middle }
    }
    let gone_ms = pool.tail_ms(driver).max(until_ms);
    When::Within { from_ms: some_left as u64, until_ms: until_ms.ceil() as u64, gone_ms: gone_ms.ceil() as u64 }
}
