//! Order statistics of a few samples.

/// Five numbers that say where samples lie.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    pub min: f64,
    pub lower_quartile: f64,
    pub median: f64,
    pub upper_quartile: f64,
    pub max: f64,
}

impl Spread {
    /// The spread of `samples`, or `None` if there are none.
    pub fn of(samples: &[f64]) -> Option<Spread> {
        if samples.is_empty() {
            return None;
        }
        let mut sorted = samples.to_vec();
        sorted.sort_by(f64::total_cmp);
        Some(Spread {
            min: quantile(&sorted, 0.0),
            lower_quartile: quantile(&sorted, 0.25),
            median: quantile(&sorted, 0.5),
            upper_quartile: quantile(&sorted, 0.75),
            max: quantile(&sorted, 1.0),
        })
    }
}

/// The geometric mean, or `None` if there are no values: the mean for ratios, because twice as long and half as long
/// make one.
pub fn geometric_mean(values: &[f64]) -> Option<f64> {
    if values.is_empty() {
        return None;
    }
    Some((values.iter().map(|value| value.ln()).sum::<f64>() / values.len() as f64).exp())
}

/// The value below which the fraction `q` of `sorted` lies, in between two samples where it falls in between.
fn quantile(sorted: &[f64], q: f64) -> f64 {
    let place = q * (sorted.len() - 1) as f64;
    let (below, above) = (place.floor(), place.ceil());
    let part = place - below;
    sorted[below as usize] * (1.0 - part) + sorted[above as usize] * part
}

#[cfg(test)]
mod tests {
    use super::{Spread, geometric_mean};

    #[test]
    fn twice_as_long_and_half_as_long_make_one() {
        assert!((geometric_mean(&[2.0, 0.5]).expect("two values") - 1.0).abs() < 1e-12);
        assert_eq!(geometric_mean(&[]), None);
    }

    #[test]
    fn the_median_of_an_odd_number_is_the_middle_one_in_any_order() {
        let spread = Spread::of(&[5.0, 1.0, 4.0, 2.0, 3.0]).expect("there are samples");
        assert_eq!(spread, Spread { min: 1.0, lower_quartile: 2.0, median: 3.0, upper_quartile: 4.0, max: 5.0 });
    }

    #[test]
    fn the_median_of_an_even_number_lies_between_the_two_middle_ones() {
        let spread = Spread::of(&[4.0, 1.0, 2.0, 3.0]).expect("there are samples");
        assert_eq!((spread.lower_quartile, spread.median, spread.upper_quartile), (1.75, 2.5, 3.25));
    }

    #[test]
    fn one_sample_is_its_own_spread_and_none_has_no_spread() {
        let spread = Spread::of(&[7.0]).expect("there is a sample");
        assert_eq!((spread.min, spread.median, spread.max), (7.0, 7.0, 7.0));
        assert_eq!(Spread::of(&[]), None);
    }
}
