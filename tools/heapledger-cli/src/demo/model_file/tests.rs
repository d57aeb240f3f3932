//! Files that are right, and files that are wrong in one way each.

use std::io::Write;
use std::path::Path;

use super::error::{HeaderLimit, HeaderProblem, ModelError, Problem};
use super::read::ModelFile;
use super::shape::{MIN_MODEL_BYTES, transformer};
use super::write::{WriteError, write_model};
use crate::demo::progress::Progress;

/// A file of this header (its true length in front) and this much data.
fn file(header: &str, data_bytes: usize) -> Vec<u8> {
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend_from_slice(header.as_bytes());
    bytes.resize(bytes.len() + data_bytes, 7);
    bytes
}

fn exact(bytes: usize) -> Option<Vec<u8>> {
    Some(Vec::with_capacity(bytes))
}

/// Opens and loads these bytes as a file.
fn load(bytes: &[u8]) -> Result<Vec<Vec<u8>>, ModelError> {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(bytes).unwrap();
    ModelFile::open(file.path())?.load(exact, &mut Progress::new(false))
}

/// The problem with a file of this header and this much data; every message must name the file and give advice.
fn problem(header: &str, data_bytes: usize) -> Problem {
    refused(&file(header, data_bytes))
}

fn refused(bytes: &[u8]) -> Problem {
    let error = load(bytes).unwrap_err();
    let text = error.to_string();
    assert!(text.contains(&error.path.display().to_string()) && text.contains(';'), "{text}");
    error.problem
}

#[test]
fn what_was_written_is_what_is_loaded() {
    let tensors = transformer(MIN_MODEL_BYTES);
    let write = || {
        let mut bytes = Vec::new();
        write_model(&mut bytes, Path::new("x"), &tensors, &mut Progress::new(false)).unwrap();
        bytes
    };
    let bytes = write();
    assert!(bytes == write(), "two runs differ");
    let loaded = load(&bytes).unwrap();
    assert_eq!(loaded.len(), tensors.len());
    for (buffer, tensor) in loaded.iter().zip(&tensors) {
        assert_eq!((buffer.len(), buffer.capacity()), (tensor.bytes(), tensor.bytes()));
    }
    assert!(bytes.ends_with(&loaded.concat()));
    safetensors::SafeTensors::deserialize(&bytes).unwrap();
}

#[test]
fn a_tensor_longer_than_a_chunk_keeps_its_exact_capacity() {
    let length = (9 << 20) + 5;
    let header = format!(r#"{{"a":{{"dtype":"U8","shape":[{length}],"data_offsets":[0,{length}]}}}}"#);
    let loaded = load(&file(&header, length)).unwrap();
    assert_eq!((loaded[0].len(), loaded[0].capacity()), (length, length));
}

#[test]
fn empty_tensors_and_free_text_are_no_problem() {
    let header = r#"{"__metadata__":{"k":"v"},"b":{"dtype":"F32","shape":[0,4],"data_offsets":[0,0]},
        "a":{"dtype":"F4","shape":[4],"data_offsets":[0,2]}}"#;
    let loaded = load(&file(header, 2)).unwrap();
    assert_eq!(loaded, [vec![], vec![7, 7]]);
    assert!(load(&file("{}", 0)).unwrap().is_empty());
}

#[test]
fn files_that_are_no_files_are_refused_by_kind() {
    let folder = tempfile::tempdir().unwrap();
    let open = |path: &Path| ModelFile::open(path).unwrap_err().problem;
    assert!(matches!(open(folder.path()), Problem::Directory));
    assert!(matches!(open(&folder.path().join("none")), Problem::Missing));
    assert!(matches!(open(Path::new("/dev/null")), Problem::NotAFile));
    let through_file = tempfile::NamedTempFile::new().unwrap().path().join("x");
    assert!(matches!(open(&through_file), Problem::Missing | Problem::Io { .. }));
}

#[test]
fn short_files_and_absurd_header_lengths_are_refused() {
    assert!(matches!(refused(b""), Problem::TooShort { file_bytes: 0 }));
    assert!(matches!(refused(b"1234567"), Problem::TooShort { file_bytes: 7 }));
    let absurd = refused(&u64::MAX.to_le_bytes());
    assert!(matches!(absurd, Problem::HeaderLength { limit: HeaderLimit::Format(_), .. }));
    let mut cut = file(r#"{"a":1}"#, 0);
    cut.pop();
    assert!(matches!(refused(&cut), Problem::HeaderLength { header_bytes: 7, limit: HeaderLimit::File(6) }));
}

#[test]
fn headers_that_are_not_headers_are_refused() {
    for header in ["", "[]", "{", "\u{1}\u{2}", r#"{"a":}"#, "{} x"] {
        assert!(matches!(problem(header, 0), Problem::Header(HeaderProblem::Json(_))), "{header}");
    }
    for entry in [
        "1",
        r#"{"dtype":"F32"}"#,
        r#"{"dtype":"F77","shape":[1],"data_offsets":[0,4]}"#,
        r#"{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}"#,
        r#"{"dtype":"F32","shape":[1],"data_offsets":[0,99999999999999999999]}"#,
    ] {
        let problem = problem(&format!(r#"{{"a":{entry}}}"#), 4);
        assert!(matches!(problem, Problem::Header(HeaderProblem::Entry { .. })), "{entry}");
    }
}

#[test]
fn a_header_that_lies_is_refused_by_what_it_lies_about() {
    let tensor = |name: &str, shape: &str, start: usize, end: usize| {
        format!(r#""{name}":{{"dtype":"U8","shape":{shape},"data_offsets":[{start},{end}]}}"#)
    };
    let one = |shape: &str, start, end| problem(&format!("{{{}}}", tensor("a", shape, start, end)), 8);
    let two = |a: &str, b: &str| problem(&format!("{{{a},{b}}}"), 8);
    let header = |problem| match problem {
        Problem::Header(problem) => problem,
        other => panic!("{other}"),
    };
    assert!(matches!(one("[9]", 0, 9), Problem::Truncated { needs_bytes: 9, data_bytes: 8, .. }));
    assert!(matches!(one("[7]", 0, 7), Problem::Trailing { extra_bytes: 1 }));
    assert!(matches!(header(one("[3]", 5, 2)), HeaderProblem::Reversed { .. }));
    assert!(matches!(header(one("[4]", 4, 8)), HeaderProblem::Gap { start: 4, expected: 0, .. }));
    assert!(matches!(header(one("[7]", 0, 8)), HeaderProblem::Size { computed_bits: 56, offset_bytes: 8, .. }));
    let huge = format!("[{},3]", usize::MAX);
    assert!(matches!(header(one(&huge, 0, 8)), HeaderProblem::Overflow { .. }));
    let many_bits = format!("[{}]", usize::MAX / 2);
    assert!(matches!(header(one(&many_bits, 0, 8)), HeaderProblem::Overflow { .. }));
    let overlapping = two(&tensor("a", "[5]", 0, 5), &tensor("b", "[4]", 4, 8));
    assert!(matches!(header(overlapping), HeaderProblem::Overlap { start: 4, other_end: 5, .. }));
    let apart = two(&tensor("a", "[3]", 0, 3), &tensor("b", "[4]", 4, 8));
    assert!(matches!(header(apart), HeaderProblem::Gap { start: 4, expected: 3, .. }));
    let twice = two(&tensor("a", "[4]", 0, 4), &tensor("a", "[4]", 4, 8));
    assert!(matches!(header(twice), HeaderProblem::Duplicate(_)));
}

#[test]
fn names_in_messages_are_escaped_and_cut() {
    let name = format!("\\u001b[2J{}", "x".repeat(5000));
    let header = format!(r#"{{"{name}":{{"dtype":"U8","shape":[1],"data_offsets":[0,2]}}}}"#);
    let text = problem(&header, 2).to_string();
    assert!(text.len() < 500 && !text.contains('\u{1b}'), "{text}");
}

#[test]
fn a_refused_allocation_names_the_tensor() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(&self::file(r#"{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}}"#, 4)).unwrap();
    let error = ModelFile::open(file.path()).unwrap().load(|_| None, &mut Progress::new(false)).unwrap_err();
    assert!(matches!(error.problem, Problem::OutOfMemory { bytes: 4, .. }), "{error}");
}

#[test]
fn a_file_shortened_while_it_is_read_is_named() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(&self::file(r#"{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}}"#, 4)).unwrap();
    let model = ModelFile::open(file.path()).unwrap();
    let all_bytes = file.as_file().metadata().unwrap().len();
    file.as_file().set_len(all_bytes - 2).unwrap();
    let error = model.load(exact, &mut Progress::new(false)).unwrap_err();
    assert!(matches!(error.problem, Problem::Shrunk { .. }), "{error}");
}

#[test]
fn a_full_disk_is_named_with_the_file_and_how_to_go_on() {
    let mut full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let tensors = transformer(MIN_MODEL_BYTES);
    let error = write_model(&mut full, Path::new("/some/model"), &tensors, &mut Progress::new(false)).unwrap_err();
    assert!(matches!(error, WriteError::NoSpace { written_bytes: 0, .. }), "{error}");
    let text = error.to_string();
    assert!(text.contains("/some/model") && text.contains("--size") && text.contains("TMPDIR"), "{text}");
}
