//! Where the commands speak, and where their records go.

use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use crate::WORKSPACE;
use crate::record::Record;

/// Prints `text` on stdout. A reader who has gone, as `head` does, is no error.
pub fn say(text: &str) -> Result<(), String> {
    say_to(&mut std::io::stdout().lock(), text)
}

fn say_to(out: &mut impl Write, text: &str) -> Result<(), String> {
    match writeln!(out, "{}", text.trim_end_matches('\n')).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(format!("cannot print: {error}")),
        _ => Ok(()),
    }
}

/// The file that a record will be written to. Opening it before the first round shows early that it cannot be written.
pub struct Destination {
    path: PathBuf,
    unfinished: PathBuf,
}

impl Destination {
    /// Makes the folder and an empty file beside `json`; without `json` the file has the day and time of `record` in its
    /// name and lies in cargo's target folder.
    pub fn open(json: Option<&Path>, record: &Record) -> Result<Destination, String> {
        let path = json.map_or_else(|| default(record), Path::to_path_buf);
        let failed = |error: std::io::Error| format!("cannot write {}: {error}", path.display());
        if path.is_dir() {
            return Err(format!("cannot write {}: it is a folder", path.display()));
        }
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(failed)?;
        }
        let unfinished = Record::unfinished(&path);
        std::fs::write(&unfinished, "").map_err(failed)?;
        Ok(Destination { path, unfinished })
    }

    /// Writes `record`, or nothing if it has no rows: what was there before is worth more.
    pub fn write(self, record: &Record) -> Result<(), String> {
        if record.rows.is_empty() {
            eprintln!("nothing was measured in a whole round, so {} was not written", self.path.display());
            return Ok(());
        }
        record.write(&self.path)?;
        eprintln!("wrote {}", self.path.display());
        Ok(())
    }
}

impl Drop for Destination {
    fn drop(&mut self) {
        // After a record was written it has its name, and there is nothing to remove.
        let _ = std::fs::remove_file(&self.unfinished);
    }
}

/// `target/heapledger-bench/2026-11-28-123456-compare.json`, in UTC.
fn default(record: &Record) -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into());
    let workspace = Path::new(WORKSPACE).canonicalize().unwrap_or_else(|_| WORKSPACE.into());
    let name = format!("{}-{}.json", moment(record.started_unix_s), record.command);
    workspace.join(target).join("heapledger-bench").join(name)
}

/// Seconds since 1970 as day and time in UTC.
fn moment(unix_s: u64) -> String {
    const DAY: u64 = 86_400;
    let (mut days, second) = (unix_s / DAY, unix_s % DAY);
    let leap = |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let mut year = 1970;
    while days >= 365 + u64::from(leap(year)) {
        days -= 365 + u64::from(leap(year));
        year += 1;
    }
    let lengths = [31, 28 + u64::from(leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let mut month = 1;
    for length in lengths {
        if days < length {
            break;
        }
        days -= length;
        month += 1;
    }
    let (hours, minutes, seconds) = (second / 3_600, second / 60 % 60, second % 60);
    format!("{year}-{month:02}-{:02}-{hours:02}{minutes:02}{seconds:02}", days + 1)
}

#[cfg(test)]
mod tests {
    use std::io::{Error, ErrorKind, Write};

    use super::{Destination, moment, say_to};
    use crate::record::{Record, Row, SCHEMA};

    /// A stdout that fails in one way.
    struct Failing(ErrorKind);

    impl Write for Failing {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(Error::from(self.0))
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_reader_who_has_gone_is_no_error_and_a_full_disk_is_one() {
        assert_eq!(say_to(&mut Failing(ErrorKind::BrokenPipe), "text"), Ok(()));
        assert!(say_to(&mut Failing(ErrorKind::StorageFull), "text").expect_err("it is full").contains("cannot print"));
        let mut out = Vec::new();
        say_to(&mut out, "a\nb\n").expect("a vector takes all");
        assert_eq!(out, b"a\nb\n");
    }

    #[test]
    fn a_record_without_rows_leaves_what_was_there_and_nothing_beside_it() {
        let folder = std::env::temp_dir().join(format!("heapledger-bench-output-{}", std::process::id()));
        let path = folder.join("inner/a.json");
        let mut record = Record { schema: SCHEMA, ..Record::default() };
        record.rows.extend(Row::new("ring", "plain", "elapsed_ns", vec![1.0]));
        let open = || Destination::open(Some(&path), &Record::default()).expect("the temporary folder can be written");
        open().write(&record).expect("the same");
        let before = std::fs::read(&path).expect("it was written");
        open().write(&Record::default()).expect("nothing is written");
        drop(open());
        assert_eq!(std::fs::read(&path).expect("it is still there"), before);
        let files = std::fs::read_dir(folder.join("inner")).expect("it was made").count();
        std::fs::remove_dir_all(&folder).expect("it was made here");
        assert_eq!(files, 1);
    }

    #[test]
    fn a_place_that_cannot_be_written_is_said_before_anything_is_measured() {
        let error =
            Destination::open(Some("/proc/no/a.json".as_ref()), &Record::default()).err().expect("no such place");
        assert!(error.contains("/proc/no/a.json"), "{error}");
    }

    #[test]
    fn a_moment_is_a_day_and_a_time() {
        assert_eq!(moment(0), "1970-01-01-000000");
        // 29 February 2024, 23:59:59, and the second after it.
        assert_eq!(moment(1_709_251_199), "2024-02-29-235959");
        assert_eq!(moment(1_709_251_200), "2024-03-01-000000");
    }
}
