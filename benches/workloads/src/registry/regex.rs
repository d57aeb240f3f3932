//! `regex`: a router of log lines compiles its rules and matches lines against them.

#[cfg(not(feature = "programs"))]
use crate::workload::not_built;
use crate::{Class, Info, Mix, Outcome, Tagger, Workload};

workloads![Regex];

/// 40 rules compiled, then 2,000 lines matched against each with their groups captured.
pub struct Regex;

impl Workload for Regex {
    const INFO: Info = Info {
        id: "regex",
        about: "regex: 40 rules compiled, 2000 log lines matched, groups captured and kept",
        operation: "reload",
        mix: Mix::Pure,
        class: Class::LargeProgram,
        iterations: 4,
    };

    fn run<T: Tagger>(tagger: T, iterations: u64) -> Outcome {
        #[cfg(feature = "programs")]
        return work::run(tagger, iterations);
        #[cfg(not(feature = "programs"))]
        not_built(Self::INFO.id, tagger, iterations)
    }
}

#[cfg(feature = "programs")]
mod work {
    use std::hint::black_box;

    use regex::Regex;

    use crate::{Outcome, Random, Tagger};

    const RULES: usize = 40;
    const LINES: usize = 2_000;

    pub fn run<T: Tagger>(tagger: T, iterations: u64) -> Outcome {
        let mut random = Random::new(14);
        let lines: Vec<String> = (0..LINES).map(|_| line(&mut random)).collect();
        let _in = tagger.enter(0);
        Outcome::time(|| {
            for _ in 0..iterations {
                black_box(reload(&lines));
            }
            iterations
        })
    }

    fn reload(lines: &[String]) -> Vec<(usize, Vec<String>)> {
        let rules: Vec<Regex> = (0..RULES).map(rule).collect();
        let mut kept = Vec::new();
        for line in lines {
            for (number, rule) in rules.iter().enumerate() {
                if let Some(groups) = rule.captures(line) {
                    let groups = groups.iter().flatten().map(|group| group.as_str().to_owned()).collect();
                    kept.push((number, groups));
                    break;
                }
            }
        }
        kept
    }

    fn rule(number: usize) -> Regex {
        let text = format!(
            r"^(\d{{4}}-\d{{2}}-\d{{2}}) (?i:info|warn|error) service{number}: (?P<verb>get|put|post) (/[\w/]+) in (\d+) ms"
        );
        Regex::new(&text).expect("the rule is valid")
    }

    fn line(random: &mut Random) -> String {
        let verb = ["get", "put", "post", "head"][random.below(4)];
        let (day, service, tenant, time) =
            (random.between(1, 28), random.below(RULES as u32), random.below(1_000), random.below(10_000));
        format!("2026-11-{day:02} INFO service{service}: {verb} /v1/tenants/{tenant} in {time} ms")
    }
}
