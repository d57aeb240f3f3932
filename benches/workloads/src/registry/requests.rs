//! A server that charges each request to the tenant on whose behalf it works, or to a region of the request's own.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::hint::black_box;

use crate::{Class, Info, Mix, Outcome, Random, Tagger, Workload};

workloads![Requests, RequestsOwn];

const TENANTS: u32 = 64;
/// One iteration serves this many requests.
const BATCH: u64 = 10_000;
/// So many sessions stay after their requests, as a cache does.
const SESSIONS: u32 = 5_000;

/// The same where each request has a region: fewer than there can be regions, because each keeps one of them.
const OWN_SESSIONS: u32 = 2_000;
/// One of so many requests leaves a session.
const LEAVES_ONE_OF: u32 = 2;
/// So many requests later a region has the same name again, as in a service that numbers the requests which it has room
/// for: names are kept for good. By then almost all sessions of the earlier request are gone.
const NAMES: usize = 16_000;

/// A request: its head is parsed into a map of strings, a body is built, a session is kept in a cache and the rest is
/// dropped. 64 tenants in random turn, each with a region of its own, made at run time.
pub struct Requests;

impl Workload for Requests {
    const INFO: Info = Info {
        id: "requests",
        about: "requests parsed, answered and dropped, each in the region of one of 64 tenants, 5000 sessions kept",
        operation: "request",
        mix: Mix::ManyRegions,
        class: Class::Pattern,
        iterations: 6,
    };

    fn run<T: Tagger>(tagger: T, iterations: u64) -> Outcome {
        let tenants: Vec<T::Made> = (0..TENANTS as usize).map(|tenant| tagger.make(tenant)).collect();
        let mut random = Random::new(11);
        let heads: Vec<String> = (0..16).map(|_| head(&mut random)).collect();
        let mut sessions: Vec<Session> = (0..SESSIONS).map(|_| Session::default()).collect();
        let mut serve = |requests: u64| {
            for _ in 0..requests {
                let tenant = random.below(TENANTS);
                let _in = T::enter_made(&tenants[tenant]);
                let session = answer(&heads[random.below(heads.len() as u32)], &mut random);
                // The session that makes room may belong to any tenant.
                sessions[random.below(SESSIONS)] = session;
            }
        };
        serve(BATCH);
        let outcome = Outcome::time(|| {
            serve(iterations * BATCH);
            iterations * BATCH
        });
        black_box(kept(&sessions));
        outcome
    }
}

/// A request as in [`Requests`], in a region that is made for it and dropped when it is answered. One of two leaves a
/// session, whose blocks outlive the region's owner; ids of regions without blocks are given to later requests.
pub struct RequestsOwn;

impl Workload for RequestsOwn {
    const INFO: Info = Info {
        id: "requests_own",
        about: "requests parsed, answered and dropped, each in a region made for it and dropped with it; one of two leaves \
                a session, of which 2000 are kept",
        operation: "request",
        mix: Mix::ManyRegions,
        class: Class::Pattern,
        iterations: 6,
    };

    fn run<T: Tagger>(tagger: T, iterations: u64) -> Outcome {
        let mut random = Random::new(12);
        let heads: Vec<String> = (0..16).map(|_| head(&mut random)).collect();
        let mut sessions: Vec<Session> = (0..OWN_SESSIONS).map(|_| Session::default()).collect();
        let mut number = 0;
        let mut serve = |requests: u64| {
            for _ in 0..requests {
                let request = tagger.make(number);
                number = (number + 1) % NAMES;
                let _in = T::enter_made(&request);
                let session = answer(&heads[random.below(heads.len() as u32)], &mut random);
                if random.below(LEAVES_ONE_OF) == 0 {
                    sessions[random.below(OWN_SESSIONS)] = session;
                }
                // The guard goes before the region.
            }
        };
        // Every name is known and every id has had an owner before the clock starts.
        serve(NAMES as u64);
        let outcome = Outcome::time(|| {
            serve(iterations * BATCH);
            iterations * BATCH
        });
        black_box(kept(&sessions));
        outcome
    }
}

/// Reads every session.
fn kept(sessions: &[Session]) -> usize {
    sessions.iter().map(|session| session.tokens.len() + session.user.len()).sum()
}

#[derive(Default)]
struct Session {
    user: String,
    tokens: Vec<u64>,
}

fn head(random: &mut Random) -> String {
    let mut text = String::new();
    for field in 0..random.between(8, 16) {
        // Writing to a String cannot fail, here and below.
        let _ = writeln!(text, "x-field-{field}: {:0width$x}", random.bits(), width = random.between(4, 48));
    }
    text
}

fn answer(head: &str, random: &mut Random) -> Session {
    let fields: HashMap<String, String> = head
        .lines()
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let mut body = String::new();
    for (name, value) in &fields {
        let _ = write!(body, "<li>{name}={value}</li>");
    }
    black_box(&body);
    let user = fields.get("x-field-0").cloned().unwrap_or_default();
    Session { user, tokens: (0..random.between(4, 64)).map(|_| random.bits()).collect() }
}
