//! The JSON form: one line, integers, and a round trip without loss.
#![cfg(feature = "serde")]

mod fixtures;

use heapledger_statement::json::{JsonError, Report};
use heapledger_statement::{LineId, Readings, Statement, Summary, Why};

fn summaries() -> [Summary; 3] {
    let unread = Readings::unread(Why::new("nothing was read", "read it"));
    [fixtures::model_server(), fixtures::hard_place(), unread].map(Summary::from_readings)
}

#[test]
fn a_summary_survives_the_round_trip() {
    for mut summary in summaries() {
        let json = summary.to_json();
        assert!(!json.contains('\n'));
        let mut back = Summary::from_json(&json).expect("our own JSON can be read");
        // Settings come back in the order of the table.
        let order = |summary: &Summary| {
            let mut settings = summary.settings().to_vec();
            settings.sort_by_key(|(id, _)| *id);
            settings
        };
        assert_eq!(order(&summary), order(&back));
        assert_eq!(summary.to_string(), back.to_string());
        (summary.stage, back.stage) = (None, None);
        assert_eq!(summary.lines(), back.lines());
        assert_eq!(summary.regions(), back.regions());
        assert_eq!(summary.doubts(), back.doubts());
        assert_eq!(summary.to_report(), back.to_report());
    }
}

#[test]
fn the_object_has_the_shape_that_the_schema_promises() {
    let json: serde_json::Value = serde_json::from_str(&summaries()[0].to_json()).expect("it is JSON");
    assert_eq!(json["schema"], 1);
    assert_eq!(json["depth"], "quick");
    assert_eq!(json["stage"], "to_gpu");
    assert_eq!(json["rss_bytes"], 1_376_124_928);
    for absent in ["unexplained_bytes", "unattributed_bytes", "counter_gap_bytes", "skew_bytes"] {
        assert!(json.get(absent).is_none(), "a summary does not state {absent}");
    }
    let line = |list: &str, id: &str| {
        let lines = json[list].as_array().expect("a list of lines");
        lines.iter().find(|line| line["id"] == id).cloned().unwrap_or_else(|| panic!("{id} is not in {list}"))
    };
    let live = line("lines", "live");
    let parts = live["parts"].as_array().expect("the regions");
    let sum: i64 = parts.iter().map(|part| part["bytes"].as_i64().expect("bytes")).sum();
    assert_eq!(live["bytes"].as_i64(), Some(sum));
    assert_eq!(parts[0]["id"], "kv_cache");
    assert_eq!(parts[0]["blocks"], 64);
    assert_eq!(line("lines", "dirty")["at_most"], 310 << 20);
    assert_eq!(line("of_which", "rounding")["of"], "usable");
    assert_eq!(line("not_resident", "retained")["bytes"], 512 << 20);
    assert_eq!(line("totals", "cgroup_limit")["bytes"], 4_294_967_296_i64);
    assert_eq!(json["settings"]["background_thread"], false);
    assert_eq!(json["settings"]["dirty_decay_ms"], 10_000);
}

#[test]
fn what_is_unknown_is_neither_zero_nor_missing() {
    let json: serde_json::Value = serde_json::from_str(&summaries()[1].to_json()).expect("it is JSON");
    assert!(json["rss_bytes"].is_null());
    let dirty = json["lines"].as_array().and_then(|lines| lines.iter().find(|line| line["id"] == "dirty").cloned());
    let dirty = dirty.expect("dirty is stated");
    assert_eq!(dirty["unknown"], "jemalloc was built without statistics");
    assert!(dirty["remedy"].as_str().is_some_and(|remedy| remedy.contains("stats")));
    assert!(dirty.get("bytes").is_none());
    let notes: Vec<&str> =
        json["notes"].as_array().expect("notes").iter().filter_map(|note| note["id"].as_str()).collect();
    assert!(
        notes.contains(&"names_fell_to_parent") && notes.contains(&"thp_always") && notes.contains(&"refused_maps")
    );
}

#[test]
fn what_is_no_summary_is_refused_by_name() {
    let mut report: Report = summaries()[0].to_report();
    report.schema = 2;
    assert!(matches!(Summary::from_report(report.clone()), Err(JsonError::Schema { found: 2 })));
    report.schema = 1;
    report.depth = "full".to_owned();
    assert!(matches!(Summary::from_report(report.clone()), Err(JsonError::Depth { .. })));
    report.depth = "quick".to_owned();
    report.lines[0].id = "no_such_line".into();
    let error = Summary::from_report(report).expect_err("the line does not exist");
    assert!(error.to_string().contains("no_such_line"));
    assert!(matches!(Summary::from_json("{\"schema\":1"), Err(JsonError::Malformed(_))));
}

#[test]
fn keys_that_a_later_version_adds_are_passed_over() {
    let json = summaries()[0].to_json().replacen("{\"schema\":1,", "{\"schema\":1,\"added_later\":[1,2],", 1);
    let back = Summary::from_json(&json).expect("unknown keys are no error");
    assert_eq!(back.figure(LineId::Rss).as_exact(), Some(1_376_124_928));
}

fn statements() -> [Statement; 3] {
    [fixtures::pages::model_server(), fixtures::pages::unadmitted(), fixtures::pages::unwalked()]
        .map(|(readings, full)| Statement::from_readings(readings, full))
}

#[test]
fn a_statement_survives_the_round_trip() {
    for statement in statements() {
        let json = statement.to_json();
        assert!(!json.contains('\n'));
        let back = Statement::from_json(&json).expect("our own JSON can be read");
        assert_eq!(statement.to_string(), back.to_string());
        assert_eq!(statement.lines(), back.lines());
        assert_eq!(statement.regions(), back.regions());
        assert_eq!(statement.checks(), back.checks());
        assert_eq!(statement.unattributed(), back.unattributed());
        assert_eq!(statement.to_report(), back.to_report());
    }
}

#[test]
fn the_object_of_a_statement_has_the_shape_that_the_schema_promises() {
    let json: serde_json::Value = serde_json::from_str(&statements()[0].to_json()).expect("it is JSON");
    assert_eq!((&json["schema"], &json["depth"]), (&1.into(), &"full".into()));
    assert_eq!(json["counter_gap_bytes"], 12_288);
    assert_eq!(json["unattributed_bytes"], 5 * 1024 * 1024 + 16_384);
    assert_eq!(json["unexplained_bytes"], 5 * 1024 * 1024 + 16_384 + 12_288);
    assert_eq!(json["skew_bytes"], 16_384);
    assert_eq!(json["slabs_resident_bytes"].as_i64(), statements()[0].figure(LineId::SlabsResident).as_exact());
    assert_eq!(json["unattributed"][0]["from"], "7f1234000000");
    assert_eq!(json["unattributed"][0]["bytes"], 16_384);
    // What the promise is about: whoever adds up the object gets RSS.
    let (mut low, mut high) = (0, 0);
    for line in json["lines"].as_array().expect("lines") {
        assert_eq!(line["measure"], "resident", "{line}");
        let end = |name: &str| line["bytes"].as_i64().or(line[name].as_i64()).expect("a figure");
        (low, high) = (low + end("at_least"), high + end("at_most"));
        if let Some(parts) = line["parts"].as_array() {
            let sum: i64 =
                parts.iter().map(|part| part["bytes"].as_i64().or(part["at_most"].as_i64()).expect("a figure")).sum();
            assert_eq!(sum, end("at_most"), "{line}");
        }
    }
    let (rss, unexplained) = (json["rss_bytes"].as_i64().unwrap(), json["unexplained_bytes"].as_i64().unwrap());
    assert!(low + unexplained <= rss && rss <= high + unexplained);
}

#[test]
fn a_statement_without_pages_states_no_number_for_what_it_does_not_know() {
    let json: serde_json::Value = serde_json::from_str(&statements()[2].to_json()).expect("it is JSON");
    for key in ["unexplained_bytes", "unattributed_bytes", "counter_gap_bytes", "skew_bytes", "pages_by"] {
        assert!(json[key].is_null() && json.get(key).is_some(), "{key}");
    }
}

#[test]
fn a_summary_is_no_statement_and_the_other_way_round() {
    let (summary, statement) = (summaries()[0].to_json(), statements()[0].to_json());
    assert!(matches!(Summary::from_json(&statement), Err(JsonError::Depth { .. })));
    assert!(Statement::from_json(&summary).is_err());
    let mut report = statements()[0].to_report();
    report.unattributed[0].from = "xyz".to_owned();
    assert!(matches!(Statement::from_report(report), Err(JsonError::Address { .. })));
}
