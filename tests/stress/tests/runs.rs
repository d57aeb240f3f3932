//! Short runs of each mode, each in a process of its own; the long one is recorded in `records/`.

use std::process::Command;

/// Runs the program, and returns what it printed; it must pass.
fn run(arguments: &str, malloc_conf: Option<&str>) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_heapledger-stress"));
    command.args(arguments.split_whitespace()).env_remove("_RJEM_MALLOC_CONF");
    if let Some(conf) = malloc_conf {
        // A pair that jemalloc does not know ends it.
        command.env("_RJEM_MALLOC_CONF", format!("abort_conf:true,{conf}"));
    }
    let output = command.output().expect("the program starts");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    text
}

/// The number after `name = `.
fn number(text: &str, name: &str) -> u64 {
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(" = ")).expect("the line is there");
    value.split(|c: char| !c.is_ascii_digit()).next().and_then(|digits| digits.parse().ok()).expect("a number")
}

#[test]
fn random_histories_on_eight_threads_equal_the_oracle_at_every_quiescent_point() {
    let text = run("random --ops 20000000 --points 200", None);
    assert!(number(&text, "operations") >= 20_000_000, "{text}");
    assert_eq!(number(&text, "quiescent points"), 200);
    assert!(number(&text, "short threads") >= 10_000, "{text}");
}

#[test]
fn random_histories_equal_the_oracle_with_an_arena_for_each_thread_and_without_thread_caches() {
    run("random --ops 3000000 --points 50 --threads 12", Some("narenas:16"));
    run("random --ops 2000000 --points 50", Some("tcache:false"));
}

#[test]
fn pages_are_flipped_while_others_own_slots_of_them() {
    for conf in [None, Some("tcache:false")] {
        let text = run("directed --ops 20000000 --points 60", conf);
        assert!(number(&text, "pages seen pure again") > 1000, "{text}");
        assert!(number(&text, "visiting threads") > 0, "{text}");
    }
}

#[test]
fn no_page_is_flipped_while_many_threads_are_registered_and_mixed_pages_are_exact_all_the_same() {
    for conf in [None, Some("tcache:false")] {
        let text = run("crowd --ops 10000000 --points 60", conf);
        assert!(number(&text, "pages seen mixed") > 1000, "{text}");
        assert_eq!(number(&text, "pages seen pure again"), 0, "{text}");
    }
}

#[test]
fn sums_read_beside_writers_are_never_negative_and_never_go_back() {
    let text = run("reader --ops 300000", None);
    assert!(number(&text, "reads beside the writers") > 1000, "{text}");
}
