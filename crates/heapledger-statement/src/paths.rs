//! Region names are paths: `tenant/7/cache` lies below `tenant/7`, which lies below `tenant`.

/// For each region the sum of its own value and of every region below it, in the order given.
///
/// A region lies below another if its name starts with the other's name and a `/`. Two regions of one name (one of them
/// retired) do not lie below each other. Regions between them need not exist. The sums overlap by design and are never
/// added. Sums wrap, which 64 bits of bytes cannot reach.
///
/// Costs one pass where no name has a `/`, otherwise a sort.
pub fn subtree_sums<'a, Regions>(regions: Regions) -> Vec<i64>
where
    Regions: IntoIterator<Item = (&'a str, i64)>,
{
    let regions: Vec<(&str, i64)> = regions.into_iter().collect();
    let mut sums: Vec<i64> = regions.iter().map(|&(_, own)| own).collect();
    if !regions.iter().any(|(name, _)| name.contains('/')) {
        return sums;
    }
    // With `/` sorted before every other byte, what lies below a path follows it directly.
    let mut order: Vec<usize> = (0..regions.len()).collect();
    order.sort_by(|&left, &right| path_order(regions[left].0).cmp(path_order(regions[right].0)));
    let mut above: Vec<usize> = Vec::new();
    for &here in &order {
        let (name, own) = regions[here];
        while above.last().is_some_and(|&top| !is_at_or_below(name, regions[top].0)) {
            above.pop();
        }
        for &ancestor in &above {
            // A namesake stays on the stack for what lies below both, and gets nothing from its twin.
            if regions[ancestor].0 != name {
                sums[ancestor] = sums[ancestor].wrapping_add(own);
            }
        }
        above.push(here);
    }
    sums
}

/// The bytes of a path such that `/` comes before every other byte, as the terminator comes before `/`.
fn path_order(name: &str) -> impl Iterator<Item = u16> + '_ {
    name.bytes().map(|byte| if byte == b'/' { 0 } else { u16::from(byte) + 1 })
}

fn is_at_or_below(name: &str, above: &str) -> bool {
    name.strip_prefix(above).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_flat_set_of_names_sums_to_itself() {
        assert_eq!(subtree_sums([("a", 1), ("ab", 2), ("b", 3)]), [1, 2, 3]);
    }

    #[test]
    fn what_lies_below_a_path_counts_for_it_and_a_mere_prefix_does_not() {
        let regions =
            [("tenant", 1), ("tenant/7", 10), ("tenant-x", 100), ("tenant/7/cache", 1000), ("tenant/70", 10_000)];
        assert_eq!(subtree_sums(regions), [11_011, 1010, 100, 1000, 10_000]);
    }

    #[test]
    fn namesakes_share_what_lies_below_and_not_each_other() {
        assert_eq!(subtree_sums([("a", 1), ("a", 2), ("a/b", 4)]), [5, 6, 4]);
    }

    proptest! {
        #[test]
        fn subtree_sums_equal_a_quadratic_oracle(names in prop::collection::vec("[ab/!0]{1,6}", 0..24)) {
            let regions: Vec<(&str, i64)> =
                names.iter().enumerate().map(|(place, name)| (name.as_str(), 1_i64 << place)).collect();
            let oracle: Vec<i64> = regions
                .iter()
                .enumerate()
                .map(|(place, (above, own))| {
                    let below = format!("{above}/");
                    own + regions
                        .iter()
                        .enumerate()
                        .filter(|(other, (name, _))| *other != place && name.starts_with(&below))
                        .map(|(_, (_, bytes))| bytes)
                        .sum::<i64>()
                })
                .collect();
            prop_assert_eq!(subtree_sums(regions), oracle);
        }
    }
}
