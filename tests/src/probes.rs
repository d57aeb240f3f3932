//! The probes: each is a function that does one thing and returns what it measured.
//!
//! A probe judges nothing: what its numbers should be is arithmetic, and that is in the tests. It panics only when it
//! could not do what it was asked for, and then its exit status says so.

mod anywhere;
mod crowd;
mod endings;
mod fork;
mod installed;
mod last_owners;
mod load;
mod names;
mod refused;
mod signals;
mod space;
mod states;
mod summary;
mod threads;
mod twin;

use heapledger_harness::settings;
use serde_json::Value;

/// What stands after the probe's name: `key=value`, the values being numbers.
#[derive(Debug, Default)]
pub struct Options(Vec<(String, u64)>);

impl Options {
    fn parse(arguments: impl Iterator<Item = String>) -> Options {
        let pair = |argument: String| {
            let (key, value) = argument.split_once('=').expect("an option is key=value");
            (key.to_owned(), value.parse().expect("an option's value is a number"))
        };
        Options(arguments.map(pair).collect())
    }

    /// The value of a key that the test must have given.
    pub fn get(&self, key: &str) -> u64 {
        let found = self.0.iter().find(|(name, _)| name == key);
        found.unwrap_or_else(|| panic!("the option {key} is missing")).1
    }

    /// As `get`, for numbers of things.
    pub fn count(&self, key: &str) -> usize {
        usize::try_from(self.get(key)).expect("counts fit")
    }
}

type Probe = fn(&Options) -> Value;

const PROBES: &[(&str, Probe)] = &[
    ("anywhere", anywhere::run),
    ("children", endings::children),
    ("crowd", crowd::run),
    ("exit-within", endings::exit_within),
    ("fork", fork::run),
    ("installed", installed::run),
    ("last-owners", last_owners::run),
    ("load", load::run),
    ("names", names::run),
    ("panic-to-the-end", endings::panic_to_the_end),
    ("panics", endings::panics),
    ("refused-heap", refused::heap),
    ("refused-page-words", refused::page_words),
    ("refused-rows", refused::rows),
    ("refused-thread", refused::new_thread),
    ("short-threads", threads::short),
    ("signals", signals::run),
    ("signals-short", signals::short_lived),
    ("start", space::start),
    ("state-aligned", states::aligned),
    ("state-alive", states::alive),
    ("state-audited", states::audited),
    ("state-ended", states::ended),
    ("state-file", states::file),
    ("state-forked", states::forked),
    ("state-glibc", states::glibc),
    ("state-glibc-heaps", states::glibc_heaps),
    ("state-guarded-stacks", states::guarded_stacks),
    ("state-half-read", states::half_read),
    ("state-large", states::large),
    ("state-mixed", states::mixed),
    ("state-mixed-to-the-end", states::mixed_to_the_end),
    ("state-muzzy", states::muzzy),
    ("state-nameless-stacks", states::nameless_stacks),
    ("state-own-map", states::own_map),
    ("state-purged", states::purged),
    ("state-shared", states::shared),
    ("state-small", states::small),
    ("state-start", states::start),
    ("state-thinned", states::thinned),
    ("state-untouched", states::untouched),
    ("summary", summary::run),
    ("tables", space::tables),
    ("thread-keys", threads::keys),
    ("twin", twin::run),
    ("untouched", space::untouched),
    ("usable", space::usable),
];

/// Runs the probe that the command line names, and prints its object on one line.
///
/// # Panics
/// When there is no such probe, or when it could not do its work.
pub fn main() {
    run(std::env::args().skip(1));
}

/// The same for words that stand somewhere else.
///
/// # Panics
/// As `main`.
pub fn run(mut arguments: impl Iterator<Item = String>) {
    let name = arguments.next().expect("the first argument names a probe");
    let options = Options::parse(arguments);
    let probe = PROBES.iter().find(|(known, _)| *known == name).unwrap_or_else(|| panic!("no probe {name}")).1;
    settings::assert_in_force();
    println!("{}", probe(&options));
}
