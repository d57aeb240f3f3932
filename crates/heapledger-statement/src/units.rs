//! Bytes as people read them: MiB with one decimal, and exact integers.

/// How a number of tenths of a MiB is found from bytes.
#[derive(Copy, Clone)]
pub(crate) enum Round {
    /// To the nearest tenth, halves away from zero: for an exact figure, whose bytes stand beside it.
    Nearest,
    /// Towards minus infinity: for the lower end of an interval, so that the printed interval is still true.
    Down,
    /// Towards plus infinity: for the upper end of an interval.
    Up,
}

const MIB: i128 = 1 << 20;

/// `bytes` in MiB with one decimal, for example `-0.5` or `1312.4`. Never prints a negative zero.
pub(crate) fn mib(bytes: i64, round: Round) -> String {
    let scaled = i128::from(bytes) * 10;
    let tenths = match round {
        Round::Down => scaled.div_euclid(MIB),
        Round::Up => -((-scaled).div_euclid(MIB)),
        Round::Nearest if scaled < 0 => -((-scaled + MIB / 2) / MIB),
        Round::Nearest => (scaled + MIB / 2) / MIB,
    };
    let sign = if tenths < 0 { "-" } else { "" };
    let size = tenths.unsigned_abs();
    format!("{sign}{}.{}", size / 10, size % 10)
}

/// `number` with a space between groups of three digits, for example `310 554`.
pub(crate) fn grouped(number: i64) -> String {
    let digits = number.unsigned_abs().to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3 + 1);
    if number < 0 {
        out.push('-');
    }
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            out.push(' ');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mib_rounds_to_the_nearest_tenth_and_has_no_negative_zero() {
        assert_eq!(mib(0, Round::Nearest), "0.0");
        assert_eq!(mib(-1, Round::Nearest), "0.0");
        assert_eq!(mib(1_376_150_118, Round::Nearest), "1312.4");
        assert_eq!(mib(-(1 << 20) / 2, Round::Nearest), "-0.5");
        assert_eq!(mib(i64::MAX, Round::Nearest), "8796093022208.0");
        assert_eq!(mib(i64::MIN, Round::Nearest), "-8796093022208.0");
    }

    #[test]
    fn the_ends_of_an_interval_round_outwards() {
        assert_eq!(mib(1, Round::Down), "0.0");
        assert_eq!(mib(1, Round::Up), "0.1");
        assert_eq!(mib(-1, Round::Down), "-0.1");
        assert_eq!(mib(-1, Round::Up), "0.0");
        assert_eq!(mib(3 << 20, Round::Up), "3.0");
        assert_eq!(mib(3 << 20, Round::Down), "3.0");
    }

    #[test]
    fn digits_are_grouped_by_three() {
        assert_eq!(grouped(0), "0");
        assert_eq!(grouped(999), "999");
        assert_eq!(grouped(310_554), "310 554");
        assert_eq!(grouped(-1_234_567), "-1 234 567");
        assert_eq!(grouped(i64::MIN), "-9 223 372 036 854 775 808");
    }
}
