//! What the demo says when it is given something that cannot work: the exit code, the thing and the remedy.

mod support;

use support::{Place, text};

/// Runs it, expects failure with this code and all of these words on stderr; stdout may hold stages but no error.
fn refused(place: &Place, arguments: &[&str], code: i32, words: &[&str]) {
    let output = place.run(arguments);
    let stderr = text(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {stderr}");
    for word in words {
        assert!(stderr.contains(word), "{arguments:?}: no {word:?} in: {stderr}");
    }
    assert!(!stderr.contains("panicked"), "{stderr}");
}

/// The same for a model file of these bytes; its path must be in the message.
fn refused_file(bytes: &[u8], words: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bad model.safetensors");
    std::fs::write(&path, bytes).unwrap();
    let path = path.to_str().unwrap();
    refused(&Place::new(), &["demo", "--model", path], 1, &[&[path], words].concat());
}

fn with_header(header: &str, data_bytes: usize) -> Vec<u8> {
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend_from_slice(header.as_bytes());
    bytes.resize(bytes.len() + data_bytes, 0);
    bytes
}

#[test]
fn wrong_usage_exits_with_2_and_says_what_is_right() {
    let place = Place::new();
    refused(&place, &["demo", "--size", "lots"], 2, &["--size", "whole number"]);
    refused(&place, &["demo", "--size", "64MB"], 2, &["64MB", "MiB"]);
    refused(&place, &["demo", "--size", "0"], 2, &["zero", "64MiB"]);
    refused(&place, &["demo", "--size", "1000"], 2, &["too small"]);
    refused(&place, &["demo", "--size", "99999999999TiB"], 2, &["more than any file can hold"]);
    refused(&place, &["demo", "--size", "-5"], 2, &["--size", "whole number"]);
    refused(&place, &["demo", "--size="], 2, &["--size"]);
    refused(&place, &["demo", "--requests", "-1"], 2, &["--requests"]);
    refused(&place, &["demo", "--model", "x", "--size", "1MiB"], 2, &["cannot be used with"]);
    refused(&place, &["demo", "--sise", "1MiB"], 2, &["--size"]);
    refused(&place, &["demmo"], 2, &["demo"]);
    refused(&place, &[], 2, &["Usage"]);
}

#[test]
fn a_size_beyond_the_disk_or_memory_is_refused_before_anything_is_written() {
    refused(&Place::new(), &["demo", "--size", "2000000TiB"], 1, &["--size", "free", "TMPDIR"]);
    let with_no_such_folder = Place::new();
    let output = with_no_such_folder.command(&["demo"]).env("TMPDIR", "/no/such/folder").output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("/no/such/folder"));
}

#[test]
fn a_missing_file_a_directory_and_a_device_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_str().unwrap();
    refused(&Place::new(), &["demo", "--model", path], 1, &[path, "directory"]);
    let missing = format!("{path}/none.safetensors");
    refused(&Place::new(), &["demo", "--model", &missing], 1, &[&missing, "does not exist"]);
    refused(&Place::new(), &["demo", "--model", "/dev/null"], 1, &["/dev/null", "not a regular file"]);
    refused(&Place::new(), &["demo", "--model", ""], 2, &["--model"]);
}

#[test]
fn truncated_files_are_named() {
    let whole = with_header(r#"{"a":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}}"#, 16);
    refused_file(&[], &["0 bytes", "fetch it again"]);
    refused_file(&whole[..5], &["5 bytes"]);
    refused_file(&whole[..20], &["truncated"]);
    refused_file(&whole[..whole.len() - 1], &["\"a\"", "16", "15 bytes of data"]);
}

#[test]
fn headers_that_lie_are_named() {
    refused_file(&u64::MAX.to_le_bytes(), &["18446744073709551615", "at most"]);
    refused_file(&with_header("{]", 0), &["JSON"]);
    let header = |entries: &str| with_header(&format!("{{{entries}}}"), 16);
    let beyond = r#""a":{"dtype":"F32","shape":[1000],"data_offsets":[0,4000]}"#;
    refused_file(&header(beyond), &["\"a\"", "4000", "header lies"]);
    let overlapping = r#""a":{"dtype":"F32","shape":[3],"data_offsets":[0,12]},
        "b":{"dtype":"F32","shape":[2],"data_offsets":[8,16]}"#;
    refused_file(&header(overlapping), &["\"b\"", "inside tensor \"a\""]);
    let overflowing = r#""a":{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,16]}"#;
    refused_file(&header(overflowing), &["\"a\"", "overflows"]);
    let mismatched = r#""a":{"dtype":"F32","shape":[5],"data_offsets":[0,16]}"#;
    refused_file(&header(mismatched), &["\"a\"", "F32 [5]", "16 bytes"]);
    let unknown = r#""a":{"dtype":"F1","shape":[4],"data_offsets":[0,16]}"#;
    refused_file(&header(unknown), &["\"a\"", "F1"]);
    let short = r#""a":{"dtype":"F32","shape":[3],"data_offsets":[0,12]}"#;
    refused_file(&header(short), &["4 bytes follow its last tensor"]);
}
