//! Macros for users' tests. What they look at is said by functions that panic nowhere; the macros do.

use heapledger_statement::lines::Role;
use heapledger_statement::{Figure, LineId, RegionFigures, Statement};

use crate::{live, quick, statement};

/// Asserts that nothing of a region lives: every block that was charged to it was freed, by whichever thread.
///
/// Takes a [`Region`](crate::Region), an [`OwnedRegion`](crate::OwnedRegion) or a [`RegionId`](crate::RegionId), and
/// looks at its own requested bytes, not at those below its path. The message says how many blocks of which sizes live.
/// Costs what [`live()`](crate::live()) costs. While other threads allocate in the region it is of one moment.
///
/// ```
/// # #[global_allocator]
/// # static LEDGER: heapledger::Ledger = heapledger::Ledger::new();
/// static INDEX: heapledger::Region = heapledger::Region::new("index");
///
/// let index = INDEX.scope(|| vec![0_u8; 4096]);
/// drop(index);
/// heapledger::assert_region_empty!(INDEX);
/// ```
#[macro_export]
macro_rules! assert_region_empty {
    ($region:expr $(,)?) => {
        if let ::std::result::Result::Err(why) = $crate::test_macros::region_is_within($region.name(), 0) {
            ::std::panic!("{why}");
        }
    };
}

/// Asserts that a region has no more than so many live requested bytes of its own.
///
/// As [`assert_region_empty!`](crate::assert_region_empty); it is about the moment, not about the peak until then.
///
/// ```
/// # #[global_allocator]
/// # static LEDGER: heapledger::Ledger = heapledger::Ledger::new();
/// static CACHE: heapledger::Region = heapledger::Region::new("cache");
///
/// let entry = CACHE.scope(|| vec![0_u8; 4096]);
/// heapledger::assert_region_within!(CACHE, 64 << 10);
/// # drop(entry);
/// ```
#[macro_export]
macro_rules! assert_region_within {
    ($region:expr, $bytes:expr $(,)?) => {
        if let ::std::result::Result::Err(why) = $crate::test_macros::region_is_within($region.name(), $bytes) {
            ::std::panic!("{why}");
        }
    };
}

/// Asserts that a statement taken now balances: its lines and *unexplained* sum to RSS, the kernel counts no page that
/// was not found but for what moved meanwhile, and no check failed.
///
/// It does NOT say that every page has a name: what is unattributed is part of the sum. Costs what
/// [`statement()`](crate::statement()) costs; fails where pages cannot be read.
///
/// ```
/// # #[global_allocator]
/// # static LEDGER: heapledger::Ledger = heapledger::Ledger::new();
/// # #[cfg(target_os = "linux")]
/// heapledger::assert_balanced!();
/// ```
#[macro_export]
macro_rules! assert_balanced {
    () => {
        if let ::std::result::Result::Err(why) = $crate::test_macros::is_balanced() {
            ::std::panic!("{why}");
        }
    };
}

/// For the macros.
///
/// # Errors
///
/// What to say.
#[doc(hidden)]
pub fn region_is_within(name: &str, most_bytes: i64) -> Result<(), String> {
    let live = live();
    if !live.installed {
        return Err(crate::Error::NotInstalled.to_string());
    }
    // A region that has no id yet never had a block.
    let bytes = live.self_bytes(name).unwrap_or_default();
    if bytes <= most_bytes {
        return Ok(());
    }
    let blocks = quick().ok().and_then(|summary| summary.region(name).map(blocks)).unwrap_or_default();
    let budget = if most_bytes == 0 { "is not empty".to_owned() } else { format!("exceeds {most_bytes} bytes") };
    Err(format!("region {name} {budget}: {bytes} bytes live{blocks}"))
}

/// `, in 3 blocks: 2 of 64, 1 large of 20480`
fn blocks(region: &RegionFigures) -> String {
    let classes = region.classes.iter().map(|class| format!("{} of {}", class.blocks, class.usable_bytes));
    let large = format!("{} large of {} together", region.large_blocks, region.large_usable_bytes);
    let kinds: Vec<String> = classes.chain((region.large_blocks > 0).then_some(large)).collect();
    format!(", in {} blocks: {} bytes", region.blocks.live(), kinds.join(", "))
}

/// For the macros.
///
/// # Errors
///
/// What to say.
#[doc(hidden)]
pub fn is_balanced() -> Result<(), String> {
    let statement = statement().map_err(|error| error.to_string())?;
    imbalance(&statement).map_or(Ok(()), |why| Err(format!("the statement does not balance: {why}\n{statement}")))
}

fn imbalance(statement: &Statement) -> Option<String> {
    let summands = statement.lines().iter().filter(|line| line.id.line().role == Role::Summand);
    let sum = summands.map(|line| line.figure.clone()).sum::<Figure>() + statement.figure(LineId::Unexplained);
    let rss = statement.figure(LineId::Rss);
    if let Some(why) = sum.why().or(rss.why()) {
        return Some(why.to_string());
    }
    let (low, high) = (sum - rss).ends()?;
    if low > 0 || high < 0 {
        return Some(format!("its lines are {low} to {high} bytes more than RSS"));
    }
    let (gap, skew) = (statement.figure(LineId::CounterGap), statement.skew());
    if let (Some((low, high)), Some(skew)) = (gap.ends(), skew.high())
        && (low > skew || high < -skew)
    {
        return Some(format!("the kernel counts {gap} that were not found, and no more than {skew} bytes moved"));
    }
    let failed = statement.checks().iter().find(|check| check.holds() == Some(false));
    failed.map(|check| format!("check {} failed by {}", check.id.key(), check.difference))
}
