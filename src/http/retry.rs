//! How long the server asks to wait.

use std::time::Duration;

use reqwest::header::HeaderValue;

/// The service's own client believes `Retry-After` up to this.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(120);

/// `Retry-After` in seconds, capped. Dates are not used by the service and count as absent.
pub(crate) fn retry_after(header: Option<&HeaderValue>) -> Option<Duration> {
    let seconds: f64 = header?.to_str().ok()?.trim().parse().ok()?;
    (seconds.is_finite() && seconds >= 0.0)
        .then(|| Duration::from_secs_f64(seconds.min(LONGEST_RETRY_AFTER.as_secs_f64())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_read_and_capped() {
        let read = |text: &'static str| retry_after(Some(&HeaderValue::from_static(text)));
        assert_eq!(read("3"), Some(Duration::from_secs(3)));
        assert_eq!(read("86400"), Some(Duration::from_secs(120)));
        for text in ["-1", "soon", "NaN", "inf", "Wed, 21 Oct 2026 07:28:00 GMT", ""] {
            assert_eq!(read(text), None, "{text:?}");
        }
    }
}
