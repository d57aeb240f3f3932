//! Several records of one commit as one with all their rounds.

use super::{Record, Row};

/// One record with the rounds of all of `records`, each given with its name. A ratio stays one of two runs in one round.
///
/// # Errors
///
/// If they are not all of `compare` and of one commit as committed.
pub fn pool(records: Vec<(String, Record)>) -> Result<Record, String> {
    let mut records = records.into_iter();
    let Some((first_name, mut pooled)) = records.next() else { return Err("there is no record to pool".to_owned()) };
    let check = |name: &str, record: &Record| {
        if record.command != "compare" {
            return Err(format!(
                "{name} is a record of `{}`: only those of `compare` have rounds to pool",
                record.command
            ));
        }
        if record.source.commit.is_none() || record.source.dirty != Some(false) {
            return Err(format!(
                "{name} is not of a commit as committed, so nobody knows what it would be pooled with"
            ));
        }
        Ok(())
    };
    check(&first_name, &pooled)?;
    for (name, record) in records {
        check(&name, &record)?;
        if record.source.commit != pooled.source.commit {
            return Err(format!("{name} and {first_name} are of two commits: give records of one"));
        }
        for row in record.rows {
            add(&mut pooled.rows, row);
        }
        for used in record.configuration.workloads {
            if !pooled.configuration.workloads.iter().any(|known| known.id == used.id) {
                pooled.configuration.workloads.push(used);
            }
        }
        pooled.configuration.rounds += record.configuration.rounds;
        pooled.complete &= record.complete;
        pooled.failures.extend(record.failures);
    }
    Ok(pooled)
}

fn add(rows: &mut Vec<Row>, row: Row) {
    let same = |known: &&mut Row| {
        (&known.workload, &known.engine, &known.measure) == (&row.workload, &row.engine, &row.measure)
    };
    let Some(known) = rows.iter_mut().find(same) else { return rows.push(row) };
    let samples = known.samples.iter().chain(&row.samples).copied().collect();
    if let Some(joined) = Row::new(&row.workload, &row.engine, &row.measure, samples) {
        *known = joined;
    }
}

#[cfg(test)]
mod tests {
    use super::{Record, Row, pool};
    use crate::rows::TIME_RATIO;

    fn record(commit: &str, samples: &[(&str, &[f64])]) -> (String, Record) {
        let row = |&(workload, samples): &(&str, &[f64])| {
            Row::new(workload, "heapledger-tagged", TIME_RATIO, samples.to_vec()).expect("there are samples")
        };
        let mut record = Record {
            command: "compare".to_owned(),
            complete: true,
            rows: samples.iter().map(row).collect(),
            ..Record::default()
        };
        (record.source.commit, record.source.dirty) = (Some(commit.to_owned()), Some(false));
        (format!("{commit}.json"), record)
    }

    #[test]
    fn the_median_is_that_of_all_rounds_and_a_workload_may_be_in_one_alone() {
        let two = vec![record("a", &[("json", &[1.0, 2.0])]), record("a", &[("json", &[6.0]), ("btree", &[3.0])])];
        let pooled = pool(two).expect("both are of one commit");
        let median = |workload| pooled.median(workload, "heapledger-tagged", TIME_RATIO);
        assert_eq!((median("json"), median("btree")), (Some(2.0), Some(3.0)));
        assert_eq!(pooled.rows[0].samples, [1.0, 2.0, 6.0]);
    }

    #[test]
    fn records_of_two_commits_of_changed_trees_and_of_other_commands_are_refused_by_name() {
        let told = |second: (String, Record)| pool(vec![record("a", &[]), second]).expect_err("it is refused");
        assert!(told(record("b", &[])).contains("b.json and a.json"));
        let (name, mut changed) = record("a", &[]);
        changed.source.dirty = Some(true);
        assert!(told((name, changed)).contains("as committed"));
        let (name, mut other) = record("a", &[]);
        other.command = "scale".to_owned();
        assert!(told((name, other)).contains("`scale`"));
        assert!(pool(Vec::new()).is_err());
    }
}
