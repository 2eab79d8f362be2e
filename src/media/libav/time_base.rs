//! Conversion between time bases, and between ticks and [`Duration`].

use std::time::Duration;

use ff::Rational;
use ffmpeg_next as ff;

/// Converts `value` from one time base to another, rounded to the nearest tick.
pub(crate) fn rescale(value: i64, from: Rational, to: Rational) -> i64 {
    let num = i128::from(from.numerator()) * i128::from(to.denominator());
    let den = i128::from(from.denominator()) * i128::from(to.numerator());
    if den <= 0 {
        return 0;
    }
    let scaled = (i128::from(value) * num * 2 + den).div_euclid(den * 2);
    i64::try_from(scaled).unwrap_or(if value < 0 { i64::MIN } else { i64::MAX })
}

const NANOSECONDS: Rational = Rational(1, 1_000_000_000);

/// Converts ticks to a duration. Negative ticks become zero.
pub(crate) fn to_duration(ticks: i64, base: Rational) -> Duration {
    Duration::from_nanos(u64::try_from(rescale(ticks, base, NANOSECONDS)).unwrap_or(0))
}

/// Returns the last tick at or before `time`, with a tolerance of half a microsecond.
///
/// The tolerance is for times of frames that were printed with six digits and typed again.
pub(crate) fn to_ticks(time: Duration, base: Rational) -> i64 {
    let nanos = i128::try_from(time.as_nanos())
        .unwrap_or(i128::MAX)
        .saturating_add(500);
    let den = i128::from(base.numerator()) * 1_000_000_000;
    if den <= 0 {
        return 0;
    }
    i64::try_from(
        nanos
            .saturating_mul(i128::from(base.denominator()))
            .div_euclid(den),
    )
    .unwrap_or(i64::MAX / 8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_and_times_agree() {
        let base = Rational(1, 12288);
        for ticks in [0, 512, 1024, 61_440] {
            assert_eq!(to_ticks(to_duration(ticks, base), base), ticks);
        }
        // Times as they are printed, with six digits.
        assert_eq!(to_ticks(Duration::from_micros(41_667), base), 512);
        assert_eq!(to_ticks(Duration::from_micros(41_666), base), 511);
        assert_eq!(to_duration(-5, base), Duration::ZERO);
        assert_eq!(to_ticks(Duration::MAX, base), i64::MAX / 8);
        assert_eq!(rescale(i64::MAX, Rational(1, 1), NANOSECONDS), i64::MAX);
    }
}
