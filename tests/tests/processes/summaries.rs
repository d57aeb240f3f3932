//! What `quick()` says of a process whose heap is known to the byte, and of one whose kernel says nothing.
//!
//! A process each: a summary is of a process, and its figures are those of everything in it.

use serde_json::{Value, json};

use heapledger_harness::skipped;

use crate::probe::{Probe, number};

const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;
const SMALL: u64 = 1_000;

/// The lists of figures in a summary's JSON.
const LISTS: [&str; 4] = ["lines", "totals", "of_which", "not_resident"];

fn figures(printed: &Value) -> impl Iterator<Item = &Value> {
    LISTS.iter().flat_map(|list| printed["summary"][list].as_array().expect("every list is there"))
}

/// The figure of this name.
#[track_caller]
fn figure<'a>(printed: &'a Value, id: &str) -> &'a Value {
    figures(printed).find(|figure| figure["id"] == id).unwrap_or_else(|| panic!("no figure {id} in {printed}"))
}

#[track_caller]
fn exact(printed: &Value, id: &str) -> u64 {
    number(figure(printed, id), "/bytes")
}

/// The ends of a figure; equal where it is exact, `None` where it is unknown.
fn ends(figure: &Value) -> Option<(i64, i64)> {
    let exact = figure.get("bytes").and_then(Value::as_i64);
    let end = |key: &str| figure.get(key).and_then(Value::as_i64).or(exact);
    Some((end("at_least")?, end("at_most")?))
}

fn region<'a>(printed: &'a Value, name: &str) -> &'a Value {
    let parts = figure(printed, "live")["parts"].as_array().expect("the live line has a part for each region");
    parts.iter().find(|part| part["id"] == name).unwrap_or_else(|| panic!("no region {name} in {printed}"))
}

fn summary(settings: &str, untouched: u64, dirtied: u64) -> Value {
    let probe = Probe::ledger("summary").settings(settings).option("small", SMALL);
    probe.option("untouched", untouched).option("dirtied", dirtied).run()
}

#[test]
fn requested_and_usable_bytes_are_told_apart_and_sum_up() {
    let printed = summary("", GIB, 0);
    let (a, b) = (region(&printed, "a"), region(&printed, "b"));
    // 100 bytes come from the class of 112; a GiB is whole pages.
    for (key, value) in [("bytes", SMALL * 100), ("usable_bytes", SMALL * 112), ("blocks", SMALL)] {
        assert_eq!(number(a, &format!("/{key}")), value, "{key}");
    }
    assert_eq!(a["classes"], json!([{ "usable_bytes": 112, "blocks": SMALL }]));
    for (key, value) in [("bytes", GIB), ("usable_bytes", GIB), ("blocks", 1), ("large_blocks", 1)] {
        assert_eq!(number(b, &format!("/{key}")), value, "{key}");
    }
    let parts = figure(&printed, "live")["parts"].as_array().unwrap();
    let sum = |key: &str| parts.iter().map(|part| number(part, &format!("/{key}"))).sum::<u64>();
    assert_eq!(exact(&printed, "live"), sum("bytes"));
    assert_eq!(exact(&printed, "usable"), sum("usable_bytes"));
    assert_eq!(exact(&printed, "rounding"), sum("usable_bytes") - sum("bytes"));
}

#[test]
fn what_jemalloc_has_allocated_is_what_the_ledger_and_the_thread_caches_hold() {
    let printed = summary("", GIB, 16 * MIB);
    let held = ["usable", "thread_caches", "internal"].map(|id| exact(&printed, id)).iter().sum::<u64>();
    assert_eq!(exact(&printed, "allocated"), held, "not a byte is jemalloc's alone in a process with one thread");
}

#[test]
fn memory_that_nobody_touched_is_live_and_not_in_rss_and_every_interval_is_one() {
    let printed = summary("", GIB, 0);
    assert!(exact(&printed, "live") > GIB);
    let rss = exact(&printed, "rss");
    assert!(rss < GIB, "RSS is the kernel's, not jemalloc's resident, which counts the untouched GiB: {rss}");
    let parts = ["rss_anon", "rss_file", "rss_shmem"].map(|id| exact(&printed, id));
    assert_eq!(rss, parts.iter().sum::<u64>());
    for figure in figures(&printed) {
        let Some((at_least, at_most)) = ends(figure) else { continue };
        assert!(at_least <= at_most, "{figure}");
        if figure["measure"] == "resident" && figure["id"] != "peak_rss" && figure["id"] != "page_tables" {
            assert!(at_most <= rss.cast_signed(), "no line is more than RSS: {figure}");
        }
    }
}

#[test]
fn muzzy_pages_are_told_although_jemallocs_resident_leaves_them_out() {
    const DIRTIED: u64 = 64 * MIB;
    let printed = summary("dirty_decay_ms:1,muzzy_decay_ms:-1", 0, DIRTIED);
    let (at_least, at_most) = ends(figure(&printed, "muzzy")).expect("jemalloc counts muzzy pages");
    assert!(at_least >= 0);
    // What was freed since the last decay is still dirty, but not a sixteenth of it.
    assert!(at_most >= (DIRTIED - DIRTIED / 16).cast_signed(), "{printed}");
    assert!(exact(&printed, "rss") > DIRTIED / 2, "the kernel has no reason to take them yet");
}

#[test]
fn settings_that_explain_resident_memory_are_told() {
    let printed = summary("", 0, 0);
    for setting in ["thp", "system_thp", "metadata_thp", "dirty_decay_ms", "muzzy_decay_ms", "background_thread"] {
        let told = &printed["summary"]["settings"][setting];
        assert!(!told.is_null() && told.get("unknown").is_none(), "{setting}: {told}");
    }
    assert!(exact(&printed, "swap") == 0 || figure(&printed, "swap").get("bytes").is_some());
}

#[test]
fn with_proc_hidden_what_the_kernel_says_is_unknown_with_a_remedy_and_the_counters_are_exact() {
    let test = "with_proc_hidden_what_the_kernel_says_is_unknown_with_a_remedy_and_the_counters_are_exact";
    // A file system of its own over /proc, in a mount namespace that ends with the probe.
    let words = ["unshare", "--mount", "sh", "-c", "mount -t tmpfs none /proc && exec \"$@\"", "sh"];
    if !Probe::through(&words).arg("true").end_if_there().is_some_and(|ended| ended.status.success()) {
        return skipped(test, "mounting in a namespace of its own takes root and unshare");
    }
    let probe = Probe::through(&words).arg(env!("CARGO_BIN_EXE_probe-ledger")).arg("summary");
    let printed = probe.option("small", SMALL).option("untouched", GIB).option("dirtied", 0).run();
    assert_eq!(number(region(&printed, "a"), "/bytes"), SMALL * 100);
    assert_eq!(number(region(&printed, "b"), "/bytes"), GIB);
    for id in ["rss", "rss_anon", "rss_file", "rss_shmem", "peak_rss", "swap", "page_tables"] {
        let figure = figure(&printed, id);
        assert_eq!(ends(figure), None, "what was not read is no number: {figure}");
        assert!(figure["unknown"].as_str().unwrap().contains("/proc/self/status"), "{figure}");
        assert!(!figure["remedy"].as_str().unwrap().is_empty(), "{figure}");
    }
    assert!(printed["summary"]["rss_bytes"].is_null());
    let text = printed["text"].as_str().unwrap();
    let rss_line = text.lines().find(|line| line.contains("RSS by the kernel")).unwrap();
    assert!(rss_line.contains('?') && !rss_line.contains('0'), "unknown is not printed as zero: {rss_line}");
}
