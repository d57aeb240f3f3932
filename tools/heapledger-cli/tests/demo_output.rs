//! What the demo prints when all goes well.

mod support;

use serde_json::Value;
use support::{Place, text};

const STAGES: [&str; 9] =
    ["start", "write_model", "load_model", "tokenizer", "to_device", "free_weights", "kv_cache", "serve", "done"];

/// A model of a few sizes: below a page, of a slab, not a multiple of anything, and beyond jemalloc's oversize
/// threshold.
const TENSOR_BYTES: [usize; 6] = [1, 100, 14_336, 1_000_003, 0, 9 << 20];

/// What may be without a name: pieces of the dynamic linker.
const UNATTRIBUTED_AT_MOST: i64 = 64 << 10;

/// Writes it with the safetensors crate, not with the demo's own writer; returns its path and the sum of its tensors.
fn model(place: &tempfile::TempDir) -> (String, u64) {
    let data: Vec<Vec<u8>> = TENSOR_BYTES.iter().map(|&bytes| vec![5; bytes]).collect();
    let views = data.iter().enumerate().map(|(index, data)| {
        let view = safetensors::tensor::TensorView::new(safetensors::Dtype::U8, vec![data.len()], data).unwrap();
        (format!("tensor.{index}"), view)
    });
    let path = place.path().join("model.safetensors");
    safetensors::tensor::serialize_to_file(views, None, &path).unwrap();
    (path.to_str().unwrap().to_owned(), TENSOR_BYTES.iter().sum::<usize>() as u64)
}

fn json_lines(arguments: &[&str]) -> Vec<Value> {
    let output = Place::new().run(arguments);
    assert!(output.status.success(), "{output:?}");
    assert_eq!(text(&output.stderr), "");
    let stdout = text(&output.stdout);
    assert!(stdout.ends_with('\n'));
    stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn stage_names(lines: &[Value]) -> Vec<&str> {
    lines.iter().map(|line| line["stage"].as_str().unwrap()).collect()
}

/// Live bytes of a region in one stage's object; `None` if it is not in it.
fn live_bytes(line: &Value, region: &str) -> Option<u64> {
    let live = line["lines"].as_array().unwrap().iter().find(|line| line["id"] == "live").unwrap();
    live["parts"].as_array().unwrap().iter().find(|part| part["id"] == region)?["requested_bytes"].as_u64()
}

/// The two ends of a figure, both the same where it is exact.
fn ends(figure: &Value) -> (i64, i64) {
    let end = |name: &str| figure["bytes"].as_i64().or(figure[name].as_i64()).unwrap_or_else(|| panic!("{figure}"));
    (end("at_least"), end("at_most"))
}

/// Whether this kernel tells every page: others leave intervals where exact figures are expected here.
fn tells_all(line: &Value) -> bool {
    line["pages_by"] == "PAGEMAP_SCAN"
}

#[test]
fn text_has_a_header_per_stage_and_every_truth_holds() {
    let output = Place::new().run(&["demo", "--size", "8MiB"]);
    assert!(output.status.success(), "{output:?}");
    assert_eq!(text(&output.stderr), "", "no progress without a terminal");
    let stdout = text(&output.stdout);
    let headers: Vec<&str> = stdout.lines().filter_map(|line| line.strip_prefix("== ")?.split(',').next()).collect();
    assert_eq!(headers, STAGES);
    assert!(!stdout.contains("DIFFERS"));
    assert!(stdout.matches(": equal (").count() >= 10, "{stdout}");
}

#[test]
fn json_is_one_object_per_stage_and_nothing_else() {
    let lines = json_lines(&["demo", "--size", "4MiB", "--json"]);
    assert_eq!(stage_names(&lines), STAGES);
    for line in &lines {
        assert_eq!((&line["schema"], &line["depth"]), (&Value::from(1), &Value::from("full")));
        assert!(line["rss_bytes"].as_u64().unwrap() > 0);
    }
}

#[test]
fn every_stage_sums_to_rss() {
    for line in json_lines(&["demo", "--size", "16MiB", "--json"]) {
        let rss = line["rss_bytes"].as_i64().unwrap();
        let unexplained = line["unexplained_bytes"].as_i64().unwrap_or_else(|| panic!("{line}"));
        let (mut low, mut high) = (unexplained, unexplained);
        for one in line["lines"].as_array().unwrap() {
            let (least, most) = ends(one);
            (low, high) = (low + least, high + most);
        }
        assert!(low <= rss && rss <= high, "{low} <= {rss} <= {high}: {line}");
        if tells_all(&line) {
            let skew = line["skew_bytes"].as_i64().unwrap();
            let gap = line["counter_gap_bytes"].as_i64().unwrap();
            assert!(gap.abs() <= skew, "gap {gap}, skew {skew}: {line}");
            assert!(line["unattributed_bytes"].as_i64().unwrap() <= UNATTRIBUTED_AT_MOST, "{line}");
            for check in line["checks"].as_array().unwrap() {
                assert_ne!(check["holds"], false, "{check}: {line}");
            }
        }
    }
}

#[test]
fn the_weights_are_the_tensors_of_the_file_to_the_byte_and_then_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (path, sum_bytes) = model(&folder);
    let lines = json_lines(&["demo", "--model", &path, "--json"]);
    let expected: Vec<&str> = STAGES.into_iter().filter(|&stage| stage != "write_model").collect();
    assert_eq!(stage_names(&lines), expected);
    for line in &lines {
        let weights_bytes = live_bytes(line, "weights").unwrap_or(0);
        match line["stage"].as_str().unwrap() {
            "load_model" | "tokenizer" | "to_device" => assert_eq!(weights_bytes, sum_bytes, "{line}"),
            _ => assert_eq!(weights_bytes, 0, "{line}"),
        }
    }
    assert!(std::path::Path::new(&path).exists(), "a model that was given must not be removed");
}

#[test]
fn any_number_of_requests_is_served_and_their_regions_end() {
    for requests in ["0", "1", "6000"] {
        let lines = json_lines(&["demo", "--size", "1MiB", "--requests", requests, "--json"]);
        let serve = lines.iter().find(|line| line["stage"] == "serve").unwrap();
        let parts = serve["lines"].as_array().unwrap().iter().find(|line| line["id"] == "live").unwrap();
        let requests_live = parts["parts"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|part| part["id"].as_str().unwrap().starts_with("request") && part["requested_bytes"] != 0);
        assert_eq!(requests_live.count(), 0, "{serve}");
    }
}

#[test]
fn the_model_written_is_the_same_every_time() {
    let answers: Vec<String> = (0..2)
        .map(|_| {
            let output = Place::new().run(&["demo", "--size", "1MiB", "--requests", "0"]);
            let stdout = text(&output.stdout);
            stdout.lines().find_map(|line| Some(line.split_once("crc32 ")?.1.to_owned())).unwrap()
        })
        .collect();
    assert_eq!(answers[0], answers[1]);
}

/// Nothing goes by itself, however busy the machine, so that there is something to find.
const NEVER: (&str, &str) = ("_RJEM_MALLOC_CONF", "abort_conf:true,dirty_decay_ms:-1");

/// Its freed pages are worth a finding.
const FOUND: [&str; 3] = ["demo", "--size", "192MiB"];

#[test]
fn the_story_of_the_release_names_where_the_bytes_went_and_what_to_do() {
    let place = Place::new();
    let output = place.command(&FOUND).env(NEVER.0, NEVER.1).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let stdout = text(&output.stdout);
    let freed = stdout.split("== ").find(|stage| stage.starts_with("free_weights")).unwrap();
    for words in [
        "  line      free_weights: released",
        "of 192.0 MiB expected",
        "  flow      weights had 192.0 in use: ",
        "  verdict   weights: held",
    ] {
        assert!(freed.contains(words), "no {words:?} in {freed}");
    }
    for words in ["  finding   decay_never: ", "do:    heapledger::configure().dirty_decay_ms(10_000)?", "  forecast  "]
    {
        assert!(freed.contains(words), "no {words:?} in {freed}");
    }
    let cache = stdout.split("== ").find(|stage| stage.starts_with("kv_cache")).unwrap();
    assert!(cache.contains("in use by kv_cache"), "{cache}");
    assert!(stdout.lines().all(|line| line.chars().count() <= 80), "{stdout}");
}

#[test]
fn the_json_of_a_stage_has_its_findings_and_whose_blocks_keep_slabs() {
    let place = Place::new();
    let mut command = place.command(&FOUND);
    let output = command.arg("--json").env(NEVER.0, NEVER.1).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let stdout = text(&output.stdout);
    let lines: Vec<Value> = stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |stage: &str, id: &str| {
        let stage = lines.iter().find(|line| line["stage"] == stage).unwrap();
        stage["findings"].as_array().unwrap().iter().find(|finding| finding["id"] == id).cloned()
    };
    let found = of("free_weights", "decay_never").unwrap_or_else(|| panic!("{stdout}"));
    let remedy = found["remedy"].as_str().unwrap();
    assert!(remedy.starts_with("heapledger::configure().dirty_decay_ms(10_000)?"), "{found}");
    assert_eq!(of("load_model", "decay_never"), None, "nothing was freed yet");
    for line in lines.iter().filter(|line| tells_all(line)) {
        // The tokenizer's words lie in slabs, and what it has of a class is not more than the class has.
        let classes = line["fragmentation"]["classes"].as_array().unwrap_or_else(|| panic!("{line}"));
        assert!(!classes.is_empty());
        for pin in line["fragmentation"]["pins"].as_array().unwrap() {
            let class = classes.iter().find(|class| class["slot_bytes"] == pin["slot_bytes"]);
            let class = class.unwrap_or_else(|| panic!("{pin}"));
            assert!(pin["slabs"].as_u64() <= class["slabs"].as_u64(), "{pin} {class}");
            assert!(pin["allocated_slots"].as_u64() <= class["allocated_slots"].as_u64(), "{pin} {class}");
        }
    }
}

#[test]
fn the_cure_applies_what_was_found_and_shows_the_difference() {
    let _alone = heapledger_tests::lanes::timed();
    let place = Place::new();
    let mut command = place.command(&FOUND);
    let output = command.args(["--cure"]).env(NEVER.0, NEVER.1).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let stdout = text(&output.stdout);
    let headers: Vec<&str> = stdout.lines().filter_map(|line| line.strip_prefix("== ")?.split(',').next()).collect();
    assert_eq!(headers[..STAGES.len()], STAGES);
    assert_eq!(headers[STAGES.len()..], ["applied", "cured"]);
    let cured = stdout.split("== cured").nth(1).unwrap();
    assert!(
        cured.contains("background threads on") && cured.contains("heapledger difference   done -> cured"),
        "{cured}"
    );
    assert!(cured.contains("  gained    RSS fell by "), "{cured}");
    assert!(stdout.contains("  applied   decay_never:"), "{stdout}");
    place.assert_empty();
}

#[test]
fn waiting_is_a_stage_of_the_json_too() {
    let _alone = heapledger_tests::lanes::timed();
    let place = Place::new();
    let mut command = place.command(&FOUND);
    let output = command.args(["--wait", "--json"]).env(NEVER.0, NEVER.1).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let stdout = text(&output.stdout);
    let lines: Vec<Value> = stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(stage_names(&lines)[STAGES.len()..], ["waited"]);
    let dirty = |stage: &str| {
        let stage = lines.iter().find(|line| line["stage"] == stage).unwrap();
        ends(stage["lines"].as_array().unwrap().iter().find(|line| line["id"] == "dirty").unwrap())
    };
    assert!(dirty("waited").0 > 16 << 20, "what never goes is still there");
}

#[test]
fn help_and_version_say_what_there_is_and_hide_what_is_internal() {
    let place = Place::new();
    let help = place.run(&["--help"]);
    assert!(help.status.success());
    let help = text(&help.stdout);
    assert!(help.contains("demo") && help.contains("Exit codes") && !help.contains("device"), "{help}");
    let demo = text(&place.run(&["demo", "--help"]).stdout);
    for option in ["--model", "--size", "--requests", "--json", "--wait", "--cure", "256MiB", "200"] {
        assert!(demo.contains(option), "{demo}");
    }
    let version = place.run(&["--version"]);
    assert_eq!(text(&version.stdout), format!("heapledger {}\n", env!("CARGO_PKG_VERSION")));
}
