//! Every scenario, run as a user would: a process each, whose every check must hold.

mod support;

use heapledger_tests::lanes;
use serde_json::Value;
use support::{Place, text};

/// Names, and what each needs at most.
fn listed() -> Vec<(String, u64)> {
    let output = Place::new().run(&["scenario", "--list", "--json"]);
    assert!(output.status.success(), "{output:?}");
    let list: Value = serde_json::from_slice(&output.stdout).unwrap();
    let entry = |entry: &Value| (entry["scenario"].as_str().unwrap().to_owned(), entry["peak_bytes"].as_u64().unwrap());
    list.as_array().unwrap().iter().map(entry).collect()
}

/// Runs one and judges each check again, from the numbers alone.
fn holds(name: &str) {
    let peak_bytes = listed().into_iter().find(|(listed, _)| listed == name).expect("it is listed").1;
    let _room = lanes::memory(peak_bytes);
    // These wait for something to go in time.
    let _alone = matches!(name, "d" | "e").then(lanes::timed);
    let output = Place::new().run(&["scenario", name, "--json"]);
    let stdout = text(&output.stdout);
    let report: Value = serde_json::from_str(&stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"));
    let checks = report["checks"].as_array().unwrap();
    assert!(checks.len() >= 5, "{stdout}");
    for check in checks {
        assert!(is_true(check), "{check}\n{stdout}");
        assert!(check["reason"].as_str().is_some_and(|reason| !reason.is_empty()), "{check}");
    }
    for note in report["notes"].as_array().unwrap().iter().filter_map(Value::as_str) {
        if let Some((_, what)) = note.split_once("SKIPPED ") {
            heapledger_harness::skipped(&format!("in scenario {name}"), what);
        }
    }
    assert_eq!((&report["scenario"], &report["ok"]), (&Value::from(name), &Value::from(true)));
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(text(&output.stderr), "");
}

fn is_true(check: &Value) -> bool {
    let measured = &check["measured"];
    let ends = measured.as_i64().map(|bytes| (bytes, bytes));
    let (low, high) =
        ends.unwrap_or_else(|| (measured["at_least"].as_i64().unwrap(), measured["at_most"].as_i64().unwrap()));
    match check["truth"].as_i64() {
        Some(truth) => {
            let tolerance = check["tolerance"].as_i64().unwrap();
            low >= truth - tolerance && high <= truth + tolerance
        }
        None => {
            let (least, most) = (check["at_least"].as_i64(), check["at_most"].as_i64());
            assert!(least.is_some() || most.is_some(), "{check}");
            least.is_none_or(|least| low >= least) && most.is_none_or(|most| high <= most)
        }
    }
}

macro_rules! scenarios {
    ($($test:ident: $name:literal,)*) => {
        $(#[test] fn $test() { holds($name); })*

        #[test]
        fn every_scenario_that_is_listed_has_a_test() {
            let names: Vec<String> = listed().into_iter().map(|(name, _)| name).collect();
            assert_eq!(names, [$($name),*]);
        }
    };
}

scenarios! {
    a1: "a1",
    a2: "a2",
    a3: "a3",
    a4: "a4",
    a5: "a5",
    b: "b",
    c1: "c1",
    c2: "c2",
    d: "d",
    e: "e",
    f: "f",
    g: "g",
    h: "h",
    i: "i",
    j: "j",
    k: "k",
    l: "l",
    r1: "r1",
    r2: "r2",
    r3: "r3",
    r4: "r4",
    model_server: "model-server",
    cache_churn: "cache-churn",
    leak: "leak",
    borrowed_and_kept: "borrowed-and-kept",
    two_heaps: "two-heaps",
    burst: "burst",
    rust_grow: "rust-grow",
}

#[test]
fn the_list_has_a_line_per_scenario_that_begins_with_its_name() {
    let output = Place::new().run(&["scenario", "--list"]);
    assert!(output.status.success(), "{output:?}");
    let stdout = text(&output.stdout);
    let names: Vec<&str> = stdout.lines().map(|line| line.split_whitespace().next().unwrap()).collect();
    assert_eq!(names, listed().iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>());
    for line in stdout.lines() {
        assert!(line.split_whitespace().count() > 3 && line.chars().count() <= 100, "{line}");
    }
}

#[test]
fn the_text_says_what_happens_what_is_expected_and_what_was_measured_at_80_columns() {
    let output = Place::new().run(&["scenario", "c2"]);
    assert!(output.status.success(), "{output:?}");
    let stdout = text(&output.stdout);
    for words in
        ["scenario c2", "64 Ki blocks of 1 KiB", "settings: ", "= RSS", "pinned by B: expected 3145728", "checks hold"]
    {
        assert!(stdout.contains(words), "no {words:?} in {stdout}");
    }
    assert!(stdout.lines().all(|line| line.chars().count() <= 80), "{stdout}");
}

#[test]
fn the_json_has_what_the_statements_find() {
    let output = Place::new().run(&["scenario", "c1", "--json"]);
    assert!(output.status.success(), "{output:?}");
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let findings = report["findings"].as_array().unwrap();
    let stages = |id: &str| {
        let of = findings.iter().filter(|finding| finding["id"] == id && finding["region"] == "B");
        of.map(|finding| finding["stage"].as_str().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(stages("slabs_pinned"), ["A freed", "flushed"], "{findings:?}");
}

#[test]
fn settings_of_the_environment_do_not_decide() {
    let mut command = Place::new().command(&["scenario", "c2", "--json"]);
    let output = command.env("_RJEM_MALLOC_CONF", "dirty_decay_ms:0,tcache:false,narenas:1").output().unwrap();
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn a_check_that_fails_is_shown_and_the_program_exits_with_1() {
    // Without the walk no line is known, and what is not known does not hold.
    for arguments in [&["scenario", "f"][..], &["scenario", "f", "--json"]] {
        let output = Place::new().command(arguments).env("HEAPLEDGER_WALK", "off").output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        assert!(text(&output.stderr).contains("scenario f: "), "{output:?}");
        let stdout = text(&output.stdout);
        assert!(stdout.contains("FAILED") || stdout.contains("\"ok\":false"), "{stdout}");
    }
}

#[test]
fn wrong_usage_exits_with_2_and_names_what_there_is() {
    for (arguments, words) in [
        (&["scenario", "c3"][..], &["c3", "c1", "burst", "two-heaps"][..]),
        (&["scenario"], &["--list", "NAME"]),
        (&["scenario", "c1", "c2"], &["c2"]),
        (&["scenario", "c1", "--list"], &["cannot be used with"]),
        (&["scenario", "c1", "--jsn"], &["--jsn", "--json"]),
        (&["scenario", ""], &["NAME"]),
        (&["scene", "nothing", "0"], &["nothing", "--list"]),
        (&["scene", "c1", "7"], &["c1"]),
    ] {
        let output = Place::new().run(arguments);
        let stderr = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {stderr}");
        assert!(words.iter().all(|word| stderr.contains(word)), "{arguments:?}: {stderr}");
        assert_eq!(text(&output.stdout), "", "{arguments:?}");
    }
}

#[test]
fn a_reader_that_leaves_ends_it_without_a_word() {
    let mut running = Place::new().start(&["scenario", "--list"]);
    drop(running.child.stdout.take());
    let (status, stderr) = running.end();
    // The list may have been written before the pipe was closed.
    assert!(matches!(status.code(), Some(0 | 141)), "{status:?}");
    assert_eq!(stderr, "");
}
