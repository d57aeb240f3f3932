//! Doubts: what a reader must know to trust the figures. They are printed with the figures, each with what to do.

use std::borrow::Cow;

use crate::{
    Check, CheckId, FallenNames, Flow, Fragmentation, Pin, Reading, Readings, RegionReading, Resident, RollupReading,
    ThpMode, WalkReading,
};

/// One doubt about a summary.
///
/// Why a single figure is unknown is said by that figure; a doubt concerns figures that are stated.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Doubt {
    /// Which doubt: one of the keys of [`KINDS`].
    pub key: Cow<'static, str>,
    /// What is so.
    pub says: Cow<'static, str>,
    /// What to do about it.
    pub remedy: Cow<'static, str>,
}

/// Every key with what it means.
pub static KINDS: [(&str, &str); 23] = [
    ("names_fell_to_parent", "Ids ran out; some names are charged to the region of their parent path."),
    ("names_fell_to_other", "Ids ran out; some names are charged to `~other`."),
    ("names_refused", "Some names were not allowed and are charged to `~other`."),
    ("not_isolated", "A region that was to have an arena of its own has none; its blocks lie beside others'."),
    (
        "isolated_beside_others",
        "Slabs hold blocks of an isolated region and of others: blocks from before it was isolated, that it adopted, \
         that were reassigned, or that a thread allocated while it ended.",
    ),
    (
        "refused_maps",
        "The kernel refused the ledger memory for its tables; the blocks concerned are charged to `~other`.",
    ),
    ("thp_always", "The kernel gives huge pages to everybody, so resident memory exceeds what jemalloc counts."),
    ("hpa_on", "jemalloc's huge page allocator is on, so its metadata is bounded by anonymous memory only."),
    ("hpa_unknown", "jemalloc does not say whether its huge page allocator is on; the same bound."),
    ("statistics_torn", "Other threads kept refreshing jemalloc's statistics while they were read."),
    (
        "metadata_unverified",
        "jemalloc's figures did not fit together, so its metadata is bounded by anonymous memory only.",
    ),
    (
        "traffic",
        "Threads allocated while the readings were taken, so that figures of different sources are moments apart.",
    ),
    (
        "threads_left_behind",
        "This process was forked from one with several threads: what the others cached or were just allocating is past \
         the ledger.",
    ),
    ("pages_unread", "No page was looked at: lines of the heap are bounds, and nothing is said to be unexplained."),
    (
        "heap_unwalked",
        "jemalloc's extents were not read: its lines are bounds, and its pages stand among the unattributed.",
    ),
    (
        "pages_uncertain",
        "The kernel does not tell pages of zeroes apart, so that lines of anonymous memory are intervals.",
    ),
    (
        "counters_drift",
        "The kernel's counters differ from its page tables (smaps_rollup): the counter gap is an error of the counters.",
    ),
    (
        "pages_missed",
        "The pages found differ from the kernel's page tables (smaps_rollup): the counter gap is pages that were not \
         counted, or counted in excess.",
    ),
    ("gap_unjudged", "Counters and pages are apart, and smaps_rollup could not say which of them is wrong."),
    ("file_pages_uncounted", "The pages of some files could not be counted; they are in the counter gap."),
    ("ranges_unlisted", "There are more unattributed ranges than are listed."),
    (
        "pages_moved",
        "Some of jemalloc's extents changed whenever they were read; their pages have a line of their own.",
    ),
    ("check_failed", "Two sources that must agree do not; a line that hangs on them is wrong by the difference."),
];

impl Doubt {
    fn new(key: &'static str, says: impl Into<Cow<'static, str>>, remedy: &'static str) -> Self {
        debug_assert!(KINDS.iter().any(|(known, _)| *known == key), "{key} is not in the table");
        Self { key: key.into(), says: says.into(), remedy: remedy.into() }
    }
}

/// The doubts that follow from the readings alone.
pub(crate) fn of_readings(readings: &Readings) -> Vec<Doubt> {
    let mut doubts = Vec::new();
    of_names(readings.fallen_names, &mut doubts);
    of_isolation(&readings.regions, &mut doubts);
    if let Some(tables) = readings.own_tables.as_ref().ok().filter(|tables| tables.refused_maps > 0) {
        doubts.push(Doubt::new(
            "refused_maps",
            format!("the kernel refused {} mappings for the ledger's tables", tables.refused_maps),
            "raise the address space limit (ulimit -v) or the overcommit limit, then restart",
        ));
    }
    if matches!(readings.system_thp, Ok(ThpMode::Always)) {
        doubts.push(Doubt::new(
            "thp_always",
            "transparent huge pages are on for everybody: retained and untouched addresses can be resident",
            "set /sys/kernel/mm/transparent_hugepage/enabled to madvise, or jemalloc's thp:never",
        ));
    }
    if let Ok(jemalloc) = &readings.jemalloc {
        match jemalloc.hpa {
            Some(false) => {}
            Some(true) => doubts.push(Doubt::new(
                "hpa_on",
                "jemalloc's opt.hpa is on: its metadata has no tight bound",
                "set hpa:false",
            )),
            None => doubts.push(Doubt::new(
                "hpa_unknown",
                "jemalloc does not say whether opt.hpa is on: its metadata has no tight bound",
                "link the jemalloc that tikv-jemalloc-sys builds (5.3)",
            )),
        }
        if !jemalloc.one_epoch {
            doubts.push(Doubt::new(
                "statistics_torn",
                "other threads refreshed jemalloc's statistics while they were read: they are of several moments",
                "take summaries less often, or from one thread",
            ));
        }
    }
    if let Some(traffic) = readings.traffic_bytes.filter(|traffic| *traffic != Flow::default()) {
        doubts.push(Doubt::new(
            "traffic",
            format!("while it was read, threads allocated {} and freed {} bytes", traffic.allocated, traffic.freed),
            "nothing, if that is small; compare quiet moments if it is not",
        ));
    }
    doubts
}

fn of_names(fallen: FallenNames, doubts: &mut Vec<Doubt>) {
    let ids = "drop owned regions that are done with, or use fewer names; refused maps can be the cause too";
    if fallen.to_parent > 0 {
        doubts.push(Doubt::new(
            "names_fell_to_parent",
            format!("no id was free for {} names: they are charged to their parent path", fallen.to_parent),
            ids,
        ));
    }
    if fallen.to_other > 0 {
        doubts.push(Doubt::new(
            "names_fell_to_other",
            format!("no id was free for {} names: they are charged to ~other", fallen.to_other),
            ids,
        ));
    }
    if fallen.refused > 0 {
        doubts.push(Doubt::new(
            "names_refused",
            format!("{} names were not allowed: they are charged to ~other", fallen.refused),
            "use short names without control characters and without a leading ~; try_new says what is wrong",
        ));
    }
}

/// Regions that were to have an arena of their own and have none.
fn of_isolation(regions: &[RegionReading], doubts: &mut Vec<Doubt>) {
    let mut without = regions.iter().filter_map(|region| Some((region, region.not_isolated.as_ref()?)));
    let Some((region, why)) = without.next() else { return };
    let name = crate::text::escaped(&region.name);
    let more = match without.count() {
        0 => String::new(),
        more => format!(", nor {more} more"),
    };
    let says = format!("{name} has no arena of its own{more}: {}", why.reason);
    doubts.push(Doubt { remedy: why.remedy.clone(), ..Doubt::new("not_isolated", says, "") });
}

/// Isolated regions with blocks in slabs where others have blocks too, as far as slabs with free slots tell.
pub(crate) fn of_arenas(fragmentation: &Reading<Fragmentation>, regions: &[RegionReading], doubts: &mut Vec<Doubt>) {
    let Ok(fragmentation) = fragmentation else { return };
    for region in regions.iter().filter(|region| region.isolated) {
        let of_it = |pin: &&Pin| pin.region == region.name && pin.generation == region.generation;
        let slabs: u64 = fragmentation.pins().iter().filter(of_it).map(|pin| pin.shared_slabs).sum();
        if slabs > 0 {
            let name = crate::text::escaped(&region.name);
            doubts.push(Doubt::new(
                "isolated_beside_others",
                format!("{name} is isolated, and {slabs} slabs hold blocks of it and of others"),
                "isolate a region before it is used; allocate anew what it adopted",
            ));
        }
    }
}

/// What a fork leaves behind.
pub(crate) fn of_fork(threads: u64, doubts: &mut Vec<Doubt>) {
    if threads > 0 {
        doubts.push(Doubt::new(
            "threads_left_behind",
            format!(
                "{threads} threads ran when this process was forked and are not in it: what they cached or were \
                 allocating stays allocated, past the ledger"
            ),
            "fork before threads start, or start another program (exec)",
        ));
    }
}

/// The doubts that follow from how the pages were read.
pub(crate) fn of_pages(walk: &Reading<WalkReading>, checks: &[Check], doubts: &mut Vec<Doubt>) {
    let walk = match walk {
        Ok(walk) => walk,
        Err(why) => {
            let says = format!("no page was looked at ({}): the lines do not sum to RSS", why.reason);
            doubts.push(Doubt { remedy: why.remedy.clone(), ..Doubt::new("pages_unread", says, "") });
            return;
        }
    };
    if let Err(why) = &walk.heap {
        let says = format!("{}: its lines are bounds, its pages unattributed", why.reason);
        doubts.push(Doubt { remedy: why.remedy.clone(), ..Doubt::new("heap_unwalked", says, "") });
    }
    if walk.zero_bytes.is_none() {
        let says = format!("{} does not tell pages of zeroes from others", walk.backend);
        doubts.push(Doubt::new("pages_uncertain", says, "use Linux 6.7 or newer, and allow PAGEMAP_SCAN"));
    }
    if walk.unknown_file_bytes > 0 {
        let says = format!("{} cannot count file pages of {} bytes of maps", walk.backend, walk.unknown_file_bytes);
        doubts.push(Doubt::new("file_pages_uncounted", says, "make /proc/self/pagemap readable"));
    }
    if walk.unlisted != Resident::default() {
        let says = format!("{} resident bytes are in further unattributed ranges", walk.unlisted.at_most_bytes);
        doubts.push(Doubt::new("ranges_unlisted", says, "see /proc/self/smaps, or map less in small pieces"));
    }
    if walk.moved != Resident::default() {
        let says = format!("extents of {} resident bytes changed whenever they were read", walk.moved.at_most_bytes);
        doubts.push(Doubt::new("pages_moved", says, "nothing, if that is small; compare quiet moments if it is not"));
    }
    for check in checks.iter().filter(|check| check.holds() == Some(false)) {
        doubts.push(Doubt::new(
            "check_failed",
            format!("check {} failed: the sources differ by {}", check.id.key(), check.difference),
            "read again; if it stays, report it with this statement",
        ));
    }
}

/// Who is wrong where the kernel's counters and the pages found are apart.
pub(crate) fn of_tables(rollup: Option<&Reading<RollupReading>>, checks: &[Check], doubts: &mut Vec<Doubt>) {
    if let Some(Err(why)) = rollup {
        let says = format!("counters and pages are apart, and which is wrong is not known: {}", why.reason);
        doubts.push(Doubt { remedy: why.remedy.clone(), ..Doubt::new("gap_unjudged", says, "") });
    }
    let failed = |ids: [CheckId; 2]| {
        let of_them = checks.iter().filter(|check| ids.contains(&check.id) && check.holds() == Some(false));
        of_them.map(|check| check.difference.clone()).reduce(|sum, difference| sum + difference)
    };
    if let Some(difference) = failed([CheckId::TablesAnonCounted, CheckId::TablesMappedCounted]) {
        doubts.push(Doubt::new(
            "counters_drift",
            format!("the kernel's counters are {difference} from its page tables"),
            "trust the lines, which are of pages: RSS and the counter gap are off by that",
        ));
    }
    if let Some(difference) = failed([CheckId::TablesAnonFound, CheckId::TablesMappedFound]) {
        doubts.push(Doubt::new(
            "pages_missed",
            format!("the pages found are {difference} from the kernel's page tables"),
            "trust RSS: see the other notes for pages that could not be counted; if there are none, report it",
        ));
    }
}

/// jemalloc's figures contradict the identity that bounds its metadata.
pub(crate) fn metadata_unverified() -> Doubt {
    Doubt::new(
        "metadata_unverified",
        "mapped - active - dirty - muzzy is no whole number of jemalloc's metadata blocks",
        "read again while fewer threads allocate; san_guard_small and custom extent hooks cause it too",
    )
}
