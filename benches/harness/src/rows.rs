//! From the samples of the rounds to the rows of a record.

use workloads::{Info, Mix};

use crate::engines::PLAIN;
use crate::record::{Record, Row};
use crate::run::Sample;

/// Wall-clock time of the timed part.
pub const ELAPSED_NS: &str = "elapsed_ns";
/// The same divided by the operations.
pub const OPERATION_NS: &str = "operation_ns";
/// Time of an engine divided by that of the plain engine in the same round.
pub const TIME_RATIO: &str = "time_ratio";
/// Processor time of the timed part, all threads together.
pub const CPU_NS: &str = "cpu_ns";
/// The same divided by that of the plain engine in the same round: the second opinion of a busy machine.
pub const CPU_RATIO: &str = "cpu_ratio";
/// The highest RSS of the process.
pub const PEAK_RSS_BYTES: &str = "peak_rss_bytes";
/// The same divided by that of the plain engine in the same round.
pub const PEAK_RSS_RATIO: &str = "peak_rss_ratio";
/// Instructions per allocation and free, from callgrind.
pub const INSTRUCTIONS: &str = "instructions_per_pair";
/// The same, less those of the plain engine.
pub const INSTRUCTIONS_OVER_PLAIN: &str = "instructions_over_plain";
/// [`INSTRUCTIONS`] of the programs that are built without link-time optimisation.
pub const WITHOUT_LTO_INSTRUCTIONS: &str = "without_lto_instructions_per_pair";
/// The same, less those of the plain engine, which is built like them.
pub const WITHOUT_LTO_INSTRUCTIONS_OVER_PLAIN: &str = "without_lto_instructions_over_plain";

/// What one engine measured on one workload, round by round.
#[derive(Clone, Debug)]
pub struct Series {
    /// The engine.
    pub engine: &'static str,
    /// A sample per round, in the same rounds for every engine of the workload.
    pub samples: Vec<Sample>,
}

/// The rows of one workload. A ratio is taken within each round, so that what slows down a whole round cancels.
pub fn of(workload: &Info, series: &[Series]) -> Vec<Row> {
    let plain = series.iter().find(|series| series.engine == PLAIN);
    let mut rows = Vec::new();
    for one in series {
        let mut push = |measure, samples: Vec<f64>| rows.extend(Row::new(workload.id, one.engine, measure, samples));
        push(ELAPSED_NS, each(one, |sample| sample.elapsed_ns as f64));
        push(OPERATION_NS, per_operation(one, |sample| sample.elapsed_ns).into_iter().map(rounded).collect());
        push(CPU_NS, each(one, |sample| sample.cpu_ns as f64));
        let peak = peak_rss_bytes(one);
        push(PEAK_RSS_BYTES, peak.clone().unwrap_or_default());
        let Some(plain) = plain.filter(|plain| plain.engine != one.engine) else { continue };
        if workload.mix != Mix::Switches {
            // Without regions to enter, the plain engine's switch is an empty loop: no limit to compare with.
            // Per operation, because an engine whose allocations take very long does fewer of them.
            push(TIME_RATIO, ratios(&per_operation(one, |s| s.elapsed_ns), &per_operation(plain, |s| s.elapsed_ns)));
            push(CPU_RATIO, ratios(&per_operation(one, |s| s.cpu_ns), &per_operation(plain, |s| s.cpu_ns)));
        }
        if let (Some(peak), Some(plain)) = (peak, peak_rss_bytes(plain)) {
            push(PEAK_RSS_RATIO, ratios(&peak, &plain));
        }
    }
    rows
}

/// The median time ratios of `engine` on the programs that work in one region, or on those that switch among several.
pub fn program_medians(record: &Record, engine: &str, mixed: bool) -> Vec<f64> {
    let program =
        |id: &str| workloads::info(id).is_some_and(|info| info.is_program() && (info.mix != Mix::Pure) == mixed);
    let of = |row: &&Row| row.engine == engine && row.measure == TIME_RATIO && program(&row.workload);
    record.rows.iter().filter(of).map(|row| row.median).collect()
}

fn per_operation(series: &Series, value: impl Fn(&Sample) -> u64) -> Vec<f64> {
    each(series, |sample| value(sample) as f64 / sample.operations as f64)
}

fn each(series: &Series, value: impl Fn(&Sample) -> f64) -> Vec<f64> {
    series.samples.iter().map(value).collect()
}

/// The peaks of all rounds, or `None` if the kernel did not say them all: then nothing is known, not zero.
fn peak_rss_bytes(series: &Series) -> Option<Vec<f64>> {
    series.samples.iter().map(|sample| sample.peak_rss_bytes.map(|bytes| bytes as f64)).collect()
}

fn ratios(values: &[f64], plain: &[f64]) -> Vec<f64> {
    values.iter().zip(plain).map(|(value, plain)| rounded(value / plain)).collect()
}

/// To the fifth digit after the point: the next ones are noise.
fn rounded(value: f64) -> f64 {
    const DIGITS: f64 = 1e5;
    (value * DIGITS).round() / DIGITS
}

#[cfg(test)]
mod tests {
    use super::{PEAK_RSS_BYTES, PEAK_RSS_RATIO, Series, TIME_RATIO, of};
    use crate::run::Sample;

    fn series(engine: &'static str, rounds: &[(u64, Option<u64>)]) -> Series {
        let sample = |&(elapsed_ns, peak_rss_bytes)| Sample { elapsed_ns, cpu_ns: 1, operations: 10, peak_rss_bytes };
        Series { engine, samples: rounds.iter().map(sample).collect() }
    }

    #[test]
    fn a_ratio_is_taken_within_its_round() {
        let ring = workloads::info("ring").expect("it is in the list");
        let rows = of(
            ring,
            &[
                series("plain", &[(100, Some(10)), (200, Some(10)), (400, Some(10))]),
                series("other", &[(150, Some(11)), (300, Some(12)), (400, Some(13))]),
            ],
        );
        let row = |measure| rows.iter().find(|row| row.engine == "other" && row.measure == measure).expect("a row");
        assert_eq!(row(TIME_RATIO).samples, [1.5, 1.5, 1.0]);
        assert_eq!(row(TIME_RATIO).median, 1.5);
        assert_eq!(row(PEAK_RSS_RATIO).samples, [1.1, 1.2, 1.3]);
        assert!(!rows.iter().any(|row| row.engine == "plain" && row.measure == TIME_RATIO));
    }

    #[test]
    fn a_peak_that_the_kernel_did_not_say_is_absent_and_not_zero() {
        let ring = workloads::info("ring").expect("it is in the list");
        let rows = of(ring, &[series("plain", &[(1, None)]), series("other", &[(1, Some(5))])]);
        assert!(!rows.iter().any(|row| row.engine == "plain" && row.measure == PEAK_RSS_BYTES));
        assert!(!rows.iter().any(|row| row.measure == PEAK_RSS_RATIO));
    }

    #[test]
    fn a_switch_has_no_ratio_to_an_empty_loop() {
        let switch = workloads::info("switch").expect("it is in the list");
        let rows = of(switch, &[series("plain", &[(1, None)]), series("other", &[(9, None)])]);
        assert!(!rows.iter().any(|row| row.measure == TIME_RATIO));
    }

    #[test]
    fn an_engine_without_a_plain_one_beside_it_still_has_its_times() {
        let ring = workloads::info("ring").expect("it is in the list");
        let rows = of(ring, &[series("other", &[(10, Some(5))])]);
        assert_eq!(rows.len(), 4);
    }
}
