//! Records as files.

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Serialize, Serializer};

use super::{Record, SCHEMA};

impl Record {
    /// Reads a record.
    pub fn read(path: &Path) -> Result<Record, String> {
        let text = fs::read_to_string(path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
        let record: Record =
            serde_json::from_str(&text).map_err(|error| format!("{} is not a record: {error}", path.display()))?;
        if record.schema != SCHEMA {
            return Err(format!("{} has schema {}, this program reads {SCHEMA}", path.display(), record.schema));
        }
        Ok(record)
    }

    /// Writes the record, or leaves what was there before if that fails.
    pub fn write(&self, path: &Path) -> Result<(), String> {
        let failed = |error: std::io::Error| format!("cannot write {}: {error}", path.display());
        let text = self.to_json().map_err(|error| format!("cannot write {}: {error}", path.display()))?;
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(failed)?;
        }
        let unfinished = Record::unfinished(path);
        fs::write(&unfinished, text).map_err(failed)?;
        fs::rename(&unfinished, path).map_err(failed)
    }

    /// Where a record lies until it is whole.
    pub fn unfinished(path: &Path) -> PathBuf {
        path.with_extension("unfinished")
    }

    /// JSON with one line per row, engine and workload, so that two records can be compared by eye.
    fn to_json(&self) -> serde_json::Result<String> {
        let configuration = &self.configuration;
        let configuration = object(
            "    ",
            &[
                ("rounds", json(&configuration.rounds)?),
                ("built", json(&configuration.built)?),
                ("builds", array("      ", &configuration.builds)?),
                ("load_after", json(&configuration.load_after)?),
                ("engines", array("      ", &configuration.engines)?),
                ("workloads", array("      ", &configuration.workloads)?),
            ],
        );
        let mut text = object(
            "  ",
            &[
                ("schema", json(&self.schema)?),
                ("command", json(&self.command)?),
                ("complete", json(&self.complete)?),
                ("started_unix_s", json(&self.started_unix_s)?),
                ("commit", json(&self.source.commit)?),
                ("dirty", json(&self.source.dirty)?),
                ("rustc", json(&self.source.rustc)?),
                ("machine", json(&self.machine)?),
                ("configuration", configuration),
                ("failures", array("    ", &self.failures)?),
                ("rows", array("    ", &self.rows)?),
            ],
        );
        text.push('\n');
        Ok(text)
    }
}

fn json(value: &impl Serialize) -> serde_json::Result<String> {
    serde_json::to_string(value)
}

/// An object with one field per line.
fn object(indent: &str, fields: &[(&str, String)]) -> String {
    let fields: Vec<String> = fields.iter().map(|(name, value)| format!("\n{indent}\"{name}\": {value}")).collect();
    format!("{{{}\n{}}}", fields.join(","), &indent[2..])
}

/// An array with one element per line.
fn array(indent: &str, elements: &[impl Serialize]) -> serde_json::Result<String> {
    let mut lines = Vec::with_capacity(elements.len());
    for element in elements {
        lines.push(format!("\n{indent}{}", json(element)?));
    }
    Ok(format!("[{}]", lines.join(",")))
}

/// A whole number is written without a fraction, so that bytes and nanoseconds are integers in the file.
pub(super) fn number<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    Number(*value).serialize(serializer)
}

/// The same for each of several numbers.
pub(super) fn numbers<S: Serializer>(values: &[f64], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(values.iter().map(|value| Number(*value)))
}

struct Number(f64);

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        /// Whole numbers up to here are exact in an `f64`.
        const EXACT: f64 = 9_007_199_254_740_992.0;
        if self.0.fract() == 0.0 && self.0.abs() <= EXACT {
            serializer.serialize_i64(self.0 as i64)
        } else {
            serializer.serialize_f64(self.0)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Failure, Record, Row, SCHEMA};

    #[test]
    fn what_is_written_is_read_back_with_whole_numbers_as_integers() {
        let record = Record {
            schema: SCHEMA,
            rows: vec![
                Row::new("ring", "plain", "elapsed_ns", vec![3.0, 1.0, 2.0]).expect("there are samples"),
                Row::new("ring", "other", "time_ratio", vec![1.25]).expect("there is a sample"),
            ],
            failures: vec![Failure {
                workload: "json".into(),
                engine: "other".into(),
                reason: "it \"crashed\"".into(),
            }],
            ..Record::default()
        };
        let text = record.to_json().expect("it is plain data");
        assert!(text.contains(r#""samples":[3,1,2]"#) && text.contains(r#""median":1.25"#), "{text}");
        let again: Record = serde_json::from_str(&text).expect("it is JSON");
        assert_eq!(again.rows, record.rows);
        assert_eq!(again.failures, record.failures);
    }

    #[test]
    fn programs_that_were_built_before_have_no_commit_and_no_path() {
        let mut record = Record { schema: SCHEMA, ..Record::default() };
        record.source.commit = Some("abc".into());
        record.source.dirty = Some(false);
        let text = record.of_built(Some("/no/such/place/release".as_ref())).to_json().expect("it is plain data");
        assert!(text.contains(r#""built": "release""#) && text.contains(r#""commit": null"#), "{text}");
        assert!(!text.contains("/no/such"), "{text}");
    }

    #[test]
    fn a_record_of_another_schema_is_refused_by_number() {
        let path = std::env::temp_dir().join(format!("heapledger-bench-schema-{}.json", std::process::id()));
        Record { schema: 99, ..Record::default() }.write(&path).expect("the temporary folder can be written");
        let error = Record::read(&path).expect_err("the schema is unknown");
        std::fs::remove_file(&path).expect("it was just written");
        assert!(error.contains("99"), "{error}");
    }
}
