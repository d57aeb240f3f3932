//! Findings about the program and where it runs.

use super::{BYTES_AT_LEAST, Finding, FindingId};
use crate::{Figure, Growth, LineId, SettingId, SettingValue, Statement};

pub(super) fn find(statement: &Statement, grown: &[Growth], found: &mut Vec<Finding>) {
    leaks(statement, grown, found);
    untagged(statement, found);
    statistics(statement, found);
    cgroup(statement, found);
}

fn leaks(statement: &Statement, grown: &[Growth], found: &mut Vec<Finding>) {
    for growth in grown {
        let id = FindingId::LeakSuspect;
        let says = growth.to_string().trim_start_matches("leak suspect: ").to_owned();
        let proof = vec![(LineId::Live, statement.figure(LineId::Live))];
        let mut finding = Finding::new(id, says, proof, id.row().remedy).of_region(growth.region.clone());
        finding.gain_on = LineId::Live;
        let (low, high) = growth.per_mark.ends().unwrap_or_default();
        found.push(finding.gaining(low, high));
    }
}

fn untagged(statement: &Statement, found: &mut Vec<Finding>) {
    let all: i64 = statement.regions().iter().map(crate::RegionFigures::self_bytes).sum();
    let untagged = statement.region("~untagged").map_or(0, crate::RegionFigures::self_bytes);
    if untagged >= BYTES_AT_LEAST && untagged > all / 2 {
        let (part, whole) = (Figure::Exact(untagged).mib(), Figure::Exact(all).mib());
        let id = FindingId::MostUntagged;
        let proof = vec![(LineId::Live, statement.figure(LineId::Live))];
        let says = format!("{part} of {whole} MiB that live are in no region");
        found.push(Finding::new(id, says, proof, id.row().remedy).of_region("~untagged".into()));
    }
}

fn statistics(statement: &Statement, found: &mut Vec<Finding>) {
    if statement.setting(SettingId::ConfigStats) == Some(&SettingValue::Flag(false)) {
        let id = FindingId::StatisticsOff;
        let proof = vec![(LineId::Allocated, statement.figure(LineId::Allocated))];
        let says = "jemalloc was built without statistics".to_owned();
        found.push(Finding::new(id, says, proof, id.row().remedy));
    }
}

fn cgroup(statement: &Statement, found: &mut Vec<Finding>) {
    let (current, limit) = (statement.figure(LineId::CgroupCurrent), statement.figure(LineId::CgroupLimit));
    let (Some(used), Some(most)) = (current.as_exact(), limit.as_exact()) else { return };
    if most > 0 && used >= most / 10 * 9 {
        let id = FindingId::CgroupNearlyFull;
        let says = format!("the control group has used {} of {} MiB", current.mib(), limit.mib());
        let proof = vec![(LineId::CgroupCurrent, current), (LineId::CgroupLimit, limit)];
        found.push(Finding::new(id, says, proof, id.row().remedy));
    }
}
