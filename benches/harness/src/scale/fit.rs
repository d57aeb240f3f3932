//! A straight line through a few points.

/// `base + slope * x`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Line {
    /// At zero.
    pub base: f64,
    /// Per unit.
    pub slope: f64,
    /// The largest distance of a point from the line, as a part of that point.
    pub off: f64,
}

impl Line {
    /// The line with the least squares of relative distances, so that the small values count as much as the large ones;
    /// `None` for fewer than two different `x`.
    pub fn through(points: &[(f64, f64)]) -> Option<Line> {
        let (mut w, mut x, mut y, mut xx, mut xy) = (0.0, 0.0, 0.0, 0.0, 0.0);
        for &(at, value) in points.iter().filter(|(_, value)| *value > 0.0) {
            let weight = 1.0 / (value * value);
            w += weight;
            x += weight * at;
            y += weight * value;
            xx += weight * at * at;
            xy += weight * at * value;
        }
        let spread = w * xx - x * x;
        if spread.is_nan() || spread <= f64::EPSILON * w * xx {
            return None;
        }
        let slope = (w * xy - x * y) / spread;
        let base = (y - slope * x) / w;
        let off = points.iter().map(|(at, value)| ((base + slope * at) / value - 1.0).abs()).fold(0.0, f64::max);
        Some(Line { base, slope, off })
    }
}

#[cfg(test)]
mod tests {
    use super::Line;

    #[test]
    fn points_on_a_line_give_it_back() {
        let line = Line::through(&[(1.0, 12.0), (2.0, 14.0), (100.0, 210.0)]).expect("three points");
        assert!((line.base - 10.0).abs() < 1e-6 && (line.slope - 2.0).abs() < 1e-6 && line.off < 1e-6, "{line:?}");
    }

    #[test]
    fn a_point_beside_the_line_is_seen() {
        let line = Line::through(&[(1.0, 10.0), (2.0, 10.0), (3.0, 20.0)]).expect("three points");
        assert!(line.off > 0.1, "{line:?}");
    }

    #[test]
    fn one_place_is_no_line() {
        assert_eq!(Line::through(&[(1.0, 10.0), (1.0, 12.0)]), None);
        assert_eq!(Line::through(&[]), None);
    }
}
