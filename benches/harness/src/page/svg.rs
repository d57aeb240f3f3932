//! The few shapes that the charts are made of.

use std::fmt::Write as _;

/// `text` as it may stand in HTML.
pub fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// A logarithmic axis: equal ratios are equal distances.
#[derive(Clone, Copy, Debug)]
pub struct Log {
    low: f64,
    high: f64,
    from: f64,
    to: f64,
}

impl Log {
    /// An axis that shows `low` at `from` and `high` at `to`; both values are above zero.
    pub fn new((low, high): (f64, f64), (from, to): (f64, f64)) -> Log {
        Log { low, high, from, to }
    }

    /// Where `value` lies; what is beyond the ends lies at the ends.
    pub fn place(&self, value: f64) -> f64 {
        let part = (value.max(self.low) / self.low).ln() / (self.high / self.low).ln();
        self.from + part.min(1.0) * (self.to - self.from)
    }

    /// Values that read well, `1 2 5 10 20 …`, or finer ones where the axis is short.
    pub fn ticks(&self) -> Vec<f64> {
        const FINE: &[f64] = &[0.8, 0.9, 1.0, 1.1, 1.2, 1.3, 1.4, 1.5, 1.75, 2.0, 2.5, 3.0, 4.0, 5.0, 7.0];
        let within = |value: &f64| *value >= self.low * 0.999 && *value <= self.high * 1.001;
        if self.high / self.low < 8.0 {
            return FINE.iter().copied().filter(within).collect();
        }
        let mut ticks: Vec<f64> = Vec::new();
        let mut decade = 10_f64.powf(self.low.log10().floor());
        while decade <= self.high {
            ticks.extend([1.0, 2.0, 5.0].map(|step| step * decade).iter().filter(|value| within(value)));
            decade *= 10.0;
        }
        // Twelve fit beside each other.
        if ticks.len() > 12 {
            ticks.retain(|tick: &f64| (tick.log10() - tick.log10().round()).abs() < 1e-9);
        }
        ticks
    }
}

/// A drawing of a size, filled by `content`.
pub fn drawing(width: f64, height: f64, label: &str, content: &str) -> String {
    format!(
        "<svg viewBox=\"0 0 {width:.0} {height:.0}\" role=\"img\" aria-label=\"{}\">\n{content}</svg>\n",
        escaped(label)
    )
}

/// A straight line.
pub fn line(class: &str, (x1, y1): (f64, f64), (x2, y2): (f64, f64)) -> String {
    format!("<line class=\"{class}\" x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\"/>\n")
}

/// Text that starts, ends or is centred (`start`, `end`, `middle`) at a point.
pub fn text(class: &str, anchor: &str, (x, y): (f64, f64), text: &str) -> String {
    format!("<text class=\"{class}\" text-anchor=\"{anchor}\" x=\"{x:.1}\" y=\"{y:.1}\">{}</text>\n", escaped(text))
}

/// A line through points, with a mark at each.
pub fn path(class: &str, points: &[(f64, f64)]) -> String {
    let mut text = String::new();
    for (at, (x, y)) in points.iter().enumerate() {
        // Writing to a String cannot fail.
        let _ = write!(text, "{}{x:.1} {y:.1}", if at == 0 { "M" } else { " L" });
    }
    format!("<path class=\"{class}\" d=\"{text}\"/>\n")
}

/// The colour of an engine, by its place in the list: a name that the style sheet knows.
pub fn colour(at: usize) -> String {
    format!("c{}", at % 14)
}

#[cfg(test)]
mod tests {
    use super::Log;

    #[test]
    fn equal_ratios_are_equal_distances_and_what_is_beyond_lies_at_the_end() {
        let axis = Log::new((1.0, 16.0), (0.0, 400.0));
        assert_eq!(axis.place(1.0), 0.0);
        assert!((axis.place(4.0) - 200.0).abs() < 1e-9);
        assert_eq!(axis.place(99.0), 400.0);
        assert_eq!(axis.place(0.0), 0.0);
    }

    #[test]
    fn ticks_are_few_and_lie_on_the_axis() {
        for high in [1.5, 7.0, 90.0, 1e9] {
            let ticks = Log::new((0.8, high), (0.0, 1.0)).ticks();
            assert!((2..=15).contains(&ticks.len()), "{high}: {ticks:?}");
            assert!(ticks.iter().all(|tick| *tick >= 0.79 && *tick <= high * 1.01), "{high}: {ticks:?}");
        }
    }
}
