//! Parses the base URL of the service.
//!
//! Owns the rule that the API key is sent only over TLS or to this machine.

use url::Url;

use super::ssrf_guard;
use crate::error::{Error, Result, redact_url};

/// Parses a base URL.
///
/// # Errors
/// `Config` for a URL that would expose the API key, or to which no path can be added.
pub(super) fn parse(text: &str) -> Result<Url> {
    let invalid = |reason: &str| Error::config(format!("read the base URL ({}): {reason}", redact_url(text)));
    let url = Url::parse(text).map_err(|_| invalid("it is not a URL; write it as https://api.x.ai/v1"))?;
    let host = url
        .host()
        .ok_or_else(|| invalid("it has no host; write it as https://api.x.ai/v1"))?;
    match url.scheme() {
        "https" => {}
        "http" if ssrf_guard::is_loopback(&host) => {}
        "http" => {
            return Err(invalid(
                "http would expose the key to the network; use https (http is accepted on loopback only)",
            ));
        }
        _ => return Err(invalid("only https is accepted (and http on loopback)")),
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(invalid(
            "it contains a user name or password; pass the API key to the client instead",
        ));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(invalid(
            "it has a query or a fragment; end it with the version, as in https://api.x.ai/v1",
        ));
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    #[test]
    fn a_base_url_that_would_leak_the_key_is_rejected() {
        for (url, word) in [
            ("api.x.ai/v1", "not a URL"),
            ("http://api.x.ai/v1", "http would expose the key"),
            ("ftp://api.x.ai/v1", "only https"),
            ("https://me:pw@api.x.ai/v1", "user name"),
            ("https://api.x.ai/v1?key=SECRET", "query"),
        ] {
            let error = parse(url).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config);
            let line = error.to_string();
            assert!(
                line.contains(word) && !line.contains("SECRET") && !line.contains("pw@"),
                "{line}"
            );
        }
        assert!(parse("https://api.x.ai/v1").is_ok());
        assert!(parse("http://127.0.0.1:1/v1").is_ok());
        assert!(parse("http://localhost:1/v1").is_ok());
        assert!(parse("http://[::1]:1/v1").is_ok());
    }
}
