//! jemalloc's settings: under each every page has its line, or it is refused by name.

use heapledger::LineId;
use heapledger_harness::{settings, skipped};
use heapledger_tests::outside::subject::Taken;

use crate::judge::{exact, refused};
use crate::start::State;

/// Some of everything, a tenth of it, nothing: two statements at each.
const STATEMENTS: usize = 6;

fn judge_under(settings: &str, mut and: impl FnMut(usize, &Taken)) {
    State::new("mixed-to-the-end").settings(settings).judge(STATEMENTS, |index, taken| {
        assert!(!refused(&taken.statement), "{settings}\n{}", taken.statement);
        and(index, taken);
    });
}

#[test]
fn as_it_is() {
    judge_under("", |_, _| ());
}

#[test]
fn huge_pages_for_all_that_it_maps() {
    let mut huge_bytes = 0;
    judge_under("thp:always", |_, taken| huge_bytes = taken.seen.huge_bytes().max(huge_bytes));
    if huge_bytes == 0 {
        skipped("statements of memory in huge pages", &settings::no_huge_pages());
    }
}

#[test]
fn muzzy_pages() {
    State::new("muzzy").settings("dirty_decay_ms:1,muzzy_decay_ms:-1").judge_two(|taken| {
        let statement = &taken.statement;
        // The probe waits until nothing is dirty. How much was given back for good at once is jemalloc's to decide.
        assert!(exact(statement, LineId::Muzzy) > 0, "{statement}");
    });
}

#[test]
fn one_arena() {
    judge_under("narenas:1", |_, _| ());
}

#[test]
fn sixty_four_arenas() {
    judge_under("narenas:64", |_, _| ());
}

#[test]
fn an_arena_for_each_processor() {
    judge_under("percpu_arena:percpu", |_, _| ());
}

#[test]
fn addresses_that_are_given_back() {
    judge_under("retain:false", |_, taken| assert_eq!(exact(&taken.statement, LineId::Retained), 0));
}

#[test]
fn no_thread_caches() {
    judge_under("tcache:false", |_, taken| {
        // Without caches there are only jemalloc's own blocks.
        let statement = &taken.statement;
        assert_eq!(exact(statement, LineId::ThreadCaches), exact(statement, LineId::Internal), "{statement}");
    });
}

fn judge_refused(settings: &str, name: &str) {
    State::new("mixed-to-the-end").settings(settings).judge(STATEMENTS, |_, taken| {
        let statement = &taken.statement;
        assert!(refused(statement), "{settings}\n{statement}");
        let named = statement.doubts().iter().any(|doubt| doubt.says.contains(name));
        assert!(named, "{settings}: {:?}", statement.doubts());
    });
}

#[test]
fn the_allocator_of_huge_pages_is_refused_by_name_and_the_rest_is_true() {
    judge_refused("hpa:true", "opt.hpa");
}

#[test]
fn guarded_extents_are_refused_by_name_and_the_rest_is_true() {
    judge_refused("san_guard_small:5", "opt.san_guard");
}
