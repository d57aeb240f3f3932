//! Figures against a naive oracle: a figure stands for the set of values that it admits, and arithmetic on figures must
//! admit exactly what arithmetic on the values can give.

use heapledger_statement::Figure;
use proptest::prelude::*;

/// Small enough that every value of every interval can be tried.
const SPAN: i64 = 12;

fn figure() -> impl Strategy<Value = Figure> {
    prop_oneof![
        4 => (-SPAN..=SPAN, -SPAN..=SPAN).prop_map(|(one, two)| Figure::within(one.min(two), one.max(two))),
        2 => (-SPAN..=SPAN).prop_map(Figure::Exact),
        1 => "[a-c]".prop_map(|reason| Figure::unknown(reason, "measure it")),
    ]
}

fn values(figure: &Figure) -> Option<Vec<i64>> {
    figure.ends().map(|(low, high)| (low..=high).collect())
}

/// The tightest figure around every combination of one value of each.
fn oracle(left: &Figure, right: &Figure, operation: fn(i64, i64) -> i64) -> Figure {
    match (values(left), values(right)) {
        (Some(left), Some(right)) => {
            let all: Vec<i64> =
                left.iter().flat_map(|one| right.iter().map(move |two| operation(*one, *two))).collect();
            match (all.iter().min(), all.iter().max()) {
                (Some(low), Some(high)) => Figure::within(*low, *high),
                _ => unreachable!("a known figure admits a value"),
            }
        }
        (None, _) => left.clone(),
        (_, None) => right.clone(),
    }
}

proptest! {
    #[test]
    fn a_sum_admits_what_the_sums_of_values_can_be(left in figure(), right in figure()) {
        prop_assert_eq!(left.clone() + right.clone(), oracle(&left, &right, |one, two| one + two));
    }

    #[test]
    fn a_difference_admits_what_the_differences_of_values_can_be(left in figure(), right in figure()) {
        prop_assert_eq!(left.clone() - right.clone(), oracle(&left, &right, |one, two| one - two));
    }

    #[test]
    fn summing_many_is_adding_one_by_one_and_order_does_not_matter(figures in prop::collection::vec(figure(), 0..6)) {
        let sum: Figure = figures.iter().cloned().sum();
        let reversed: Figure = figures.iter().rev().cloned().sum();
        prop_assert_eq!(sum.ends(), reversed.ends());
        let unknown = figures.iter().any(Figure::is_unknown);
        prop_assert_eq!(sum.is_unknown(), unknown);
        if !unknown {
            prop_assert_eq!(sum.low(), Some(figures.iter().filter_map(Figure::low).sum::<i64>()));
            prop_assert_eq!(sum.high(), Some(figures.iter().filter_map(Figure::high).sum::<i64>()));
        }
    }

    #[test]
    fn no_operation_panics_or_wraps_at_the_ends_of_the_range(
        one in any::<i64>(),
        two in any::<i64>(),
        three in any::<i64>(),
    ) {
        let exact = Figure::Exact(one);
        let interval = Figure::within(two.min(three), two.max(three));
        for result in [exact.clone() + interval.clone(), exact - interval] {
            if let Some((low, high)) = result.ends() {
                prop_assert!(low <= high);
            } else {
                prop_assert!(result.why().is_some_and(|why| why.reason.contains("63 bits")));
            }
        }
    }

    #[test]
    fn a_printed_interval_still_contains_its_ends(low in 0..1_i64 << 50, width in 1..1_i64 << 40) {
        let text = Figure::within(low, low + width).mib();
        let (down, up) = text.split_once('-').expect("an interval has two ends");
        let tenths = |word: &str| word.replace('.', "").parse::<i128>().expect("a number");
        prop_assert!(tenths(down) << 20 <= i128::from(low) * 10);
        prop_assert!(tenths(up) << 20 >= i128::from(low + width) * 10);
    }
}
