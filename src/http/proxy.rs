//! Decides which requests go through a proxy.
//!
//! Owns the proxy of a client and the targets that bypass it. The decision is made before a request, because
//! [`ssrf_guard`] can check less when a proxy resolves the name. Only https is proxied, so a proxy sees a host name and a
//! port, but neither the API key nor the content. Requests to this machine are never proxied.

use std::net::IpAddr;

use hyper_util::client::proxy::matcher::{Intercept, Matcher};
use url::Url;

use super::{HttpConfig, ssrf_guard};
use crate::error::{Error, Result};

/// A target that no exception names. Used to look up the proxy of a [`Matcher`].
const ANY_TARGET: &str = "https://target.invalid/";
/// A proxy that is never used. A [`Matcher`] needs one to evaluate a list of exceptions.
const ANY_PROXY: &str = "http://proxy.invalid/";

/// The proxy for https, and the rules for which targets use it.
pub(super) struct Proxies {
    proxy: Result<Option<Intercept>>,
    /// A target is proxied if all of these match it.
    rules: Vec<Matcher>,
}

impl Proxies {
    /// Selects the proxy of the configuration, else of the environment, else of the settings of macOS or Windows.
    ///
    /// An invalid proxy in the environment is an error only when a request needs it, so that requests to this machine
    /// work regardless.
    ///
    /// # Errors
    /// `Config` for an invalid proxy or exception in the configuration.
    pub(super) fn new(config: &HttpConfig, environment: &dyn Fn(&str) -> Option<String>) -> Result<Self> {
        if let Some(list) = &config.no_proxy {
            check_exceptions(list)?;
        }
        let exceptions = config.no_proxy.clone();
        if let Some(text) = &config.proxy {
            let proxy = parse_proxy(text, "the proxy")?;
            return Ok(Self::with_exceptions(Ok(proxy), &exceptions.unwrap_or_default()));
        }
        // Names and order are those of reqwest and most programs. `HTTP_PROXY` is ignored, because a CGI server sets it
        // from a header of the request.
        for names in [["HTTPS_PROXY", "https_proxy"], ["ALL_PROXY", "all_proxy"]] {
            if let Some((name, text)) = first_set(environment, names).filter(|(_, text)| !text.is_empty()) {
                let exceptions = exceptions
                    .or_else(|| first_set(environment, ["NO_PROXY", "no_proxy"]).map(|(_, list)| list));
                return Ok(Self::with_exceptions(
                    parse_proxy(&text, &format!("the proxy of the environment variable {name}")),
                    &exceptions.unwrap_or_default(),
                ));
            }
        }
        let system = Matcher::from_system();
        let proxy = ANY_TARGET
            .parse()
            .ok()
            .and_then(|target| system.intercept(&target));
        let mut rules = vec![system];
        rules.extend(exceptions.map(|list| match_all_except(&list)));
        Ok(Self {
            proxy: Ok(proxy),
            rules,
        })
    }

    fn with_exceptions(proxy: Result<Intercept>, exceptions: &str) -> Self {
        Self {
            proxy: proxy.map(Some),
            rules: vec![match_all_except(exceptions)],
        }
    }

    /// Returns the proxy for requests to a URL.
    ///
    /// # Errors
    /// `Config` if the environment names an invalid proxy and the URL would use it.
    pub(super) fn for_url(&self, url: &Url) -> Result<Option<&Intercept>> {
        let Some(host) = url.host() else {
            return Ok(None);
        };
        if url.scheme() != "https" || ssrf_guard::is_this_machine(&host) {
            return Ok(None);
        }
        let Ok(target) = format!("https://{host}/").parse() else {
            return Ok(None);
        };
        if self.rules.iter().any(|rules| rules.intercept(&target).is_none()) {
            return Ok(None);
        }
        self.any()
    }

    /// Returns the proxy without considering a target.
    pub(super) fn any(&self) -> Result<Option<&Intercept>> {
        self.proxy.as_ref().map(Option::as_ref).map_err(Clone::clone)
    }
}

/// Returns a matcher for all targets except those in a list.
fn match_all_except(list: &str) -> Matcher {
    let rules = Matcher::builder();
    // In `Matcher` a `*` matches only names, but users mean addresses as well.
    if list.split(',').any(|entry| entry.trim() == "*") {
        return rules.build();
    }
    rules.https(ANY_PROXY).no(list.to_owned()).build()
}

/// Configures a client to send every https request through a proxy.
pub(super) fn apply(client: reqwest::ClientBuilder, proxy: &Intercept) -> Result<reqwest::ClientBuilder> {
    let uri = proxy.uri().to_string();
    let all = reqwest::Proxy::https(uri)
        .map_err(|error| Error::config("set up the proxy").with_source(error.without_url()))?;
    Ok(client.proxy(match proxy.basic_auth() {
        Some(credentials) => all.custom_http_auth(credentials.clone()),
        None => all,
    }))
}

/// Returns host and port of a proxy, for messages.
pub(super) fn host_and_port(proxy: &Intercept) -> String {
    let uri = proxy.uri();
    let host = uri.host().unwrap_or_default();
    match uri.port_u16() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    }
}

fn first_set(
    environment: &dyn Fn(&str) -> Option<String>,
    names: [&'static str; 2],
) -> Option<(&'static str, String)> {
    names
        .into_iter()
        .find_map(|name| environment(name).map(|value| (name, value.trim().to_owned())))
}

/// Parses the URL of a proxy, whose scheme defaults to `http`. Errors never contain the URL, because it can have a
/// password.
fn parse_proxy(text: &str, what: &str) -> Result<Intercept> {
    let invalid = |why: &str| {
        Error::config(format!(
            "read {what}: {why}; write it as http://proxy.example:3128"
        ))
    };
    let text = text.trim();
    let with_scheme = if text.contains("://") {
        text.to_owned()
    } else {
        format!("http://{text}")
    };
    let url = Url::parse(&with_scheme).map_err(|_| invalid("it is not a URL"))?;
    match url.scheme() {
        "http" | "https" => {}
        scheme if scheme.starts_with("socks") => {
            return Err(invalid("SOCKS proxies are not supported, only http and https"));
        }
        _ => return Err(invalid("its scheme is neither http nor https")),
    }
    if url.host_str().is_none_or(str::is_empty) {
        return Err(invalid("it has no host"));
    }
    if !matches!(url.path(), "" | "/") || url.query().is_some() || url.fragment().is_some() {
        return Err(invalid("it has more than a host and a port"));
    }
    let target = ANY_TARGET.parse().map_err(|_| invalid("it cannot be used"))?;
    Matcher::builder()
        .https(url.to_string())
        .build()
        .intercept(&target)
        .ok_or_else(|| invalid("it cannot be used"))
}

/// Checks that every entry of a list is `*`, a host name, an address or a network.
fn check_exceptions(list: &str) -> Result<()> {
    for entry in list.split(',').map(str::trim).filter(|entry| !entry.is_empty()) {
        let is_network = entry.split_once('/').is_some_and(|(address, bits)| {
            let longest = match address.parse::<IpAddr>() {
                Ok(IpAddr::V4(_)) => 32,
                Ok(IpAddr::V6(_)) => 128,
                Err(_) => return false,
            };
            bits.parse::<u8>().is_ok_and(|bits| bits <= longest)
        });
        let is_address = entry.parse::<IpAddr>().is_ok();
        let is_name = !entry.contains(['/', ':', '*', '@']) && !entry.contains(char::is_whitespace);
        if entry != "*" && !is_network && !is_address && !is_name {
            return Err(Error::config(format!(
                "read the proxy exceptions: {entry:?} is not a host name, an address or a network; separate them by commas, as in .example.com,10.0.0.0/8"
            )));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    fn proxies(proxy: Option<&str>, no_proxy: Option<&str>, environment: &[(&str, &str)]) -> Result<Proxies> {
        let config = HttpConfig {
            proxy: proxy.map(str::to_owned),
            no_proxy: no_proxy.map(str::to_owned),
            ..HttpConfig::default()
        };
        let look_up = |name: &str| {
            let variable = environment.iter().find(|(variable, _)| *variable == name);
            variable.map(|(_, value)| (*value).to_owned())
        };
        Proxies::new(&config, &look_up)
    }

    /// Returns host and port of the proxy for a URL.
    fn proxy_for(proxies: &Proxies, url: &str) -> Option<String> {
        let proxy = proxies.for_url(&Url::parse(url).unwrap()).unwrap();
        proxy.map(host_and_port)
    }

    #[test]
    fn this_machine_and_http_are_never_proxied() {
        let all = proxies(Some("http://proxy:3128"), None, &[]).unwrap();
        assert_eq!(
            proxy_for(&all, "https://api.x.ai/v1").as_deref(),
            Some("proxy:3128")
        );
        assert_eq!(
            proxy_for(&all, "https://10.0.0.1/v1").as_deref(),
            Some("proxy:3128")
        );
        for url in [
            "http://api.x.ai/v1",
            "https://localhost/",
            "https://api.localhost:8443/",
            "https://127.0.0.1:8443/",
            "https://[::1]/",
            "https://[::ffff:127.0.0.1]/",
        ] {
            assert_eq!(proxy_for(&all, url), None, "{url}");
        }
    }

    #[test]
    fn environment_variables_are_read_in_the_usual_order() {
        let target = "https://api.x.ai/v1";
        for (environment, found) in [
            (&[][..], None),
            (&[("https_proxy", "http://a:1")], Some("a:1")),
            (&[("https_proxy", "a:1")], Some("a:1")),
            (
                &[("HTTPS_PROXY", "http://a:1"), ("https_proxy", "http://b:1")],
                Some("a:1"),
            ),
            (&[("all_proxy", "http://c:1")], Some("c:1")),
            (
                &[("ALL_PROXY", "http://c:1"), ("https_proxy", "http://b:1")],
                Some("b:1"),
            ),
            (&[("HTTPS_PROXY", ""), ("ALL_PROXY", "http://c:1")], Some("c:1")),
            (
                &[("http_proxy", "http://a:1"), ("HTTP_PROXY", "http://a:1")],
                None,
            ),
            (&[("https_proxy", "http://a:1"), ("no_proxy", "x.ai")], None),
            (
                &[
                    ("https_proxy", "http://a:1"),
                    ("NO_PROXY", "example.com"),
                    ("no_proxy", "x.ai"),
                ],
                Some("a:1"),
            ),
            (&[("https_proxy", "http://a:1"), ("NO_PROXY", "*")], None),
        ] {
            let proxies = proxies(None, None, environment).unwrap();
            assert_eq!(proxy_for(&proxies, target).as_deref(), found, "{environment:?}");
        }
    }

    #[test]
    fn the_configuration_overrides_the_environment() {
        let environment = [("https_proxy", "http://a:1"), ("no_proxy", "x.ai")];
        let configured = proxies(Some("https://user:word@b:2"), None, &environment).unwrap();
        assert_eq!(
            proxy_for(&configured, "https://api.x.ai/").as_deref(),
            Some("b:2")
        );
        assert!(
            configured
                .any()
                .unwrap()
                .unwrap()
                .basic_auth()
                .unwrap()
                .is_sensitive()
        );
        let configured = proxies(None, Some("cdn.example, 10.0.0.0/8"), &environment).unwrap();
        assert_eq!(
            proxy_for(&configured, "https://api.x.ai/").as_deref(),
            Some("a:1")
        );
        assert_eq!(proxy_for(&configured, "https://a.cdn.example/"), None);
        assert_eq!(proxy_for(&configured, "https://10.1.2.3/"), None);
        let none = proxies(None, Some("*"), &environment).unwrap();
        assert_eq!(proxy_for(&none, "https://api.x.ai/"), None);
        assert_eq!(proxy_for(&none, "https://9.9.9.9/"), None);
        assert_eq!(proxy_for(&none, "https://[2606:4700::1111]/"), None);
        let some = proxies(None, Some("9.9.9.0/24,2606:4700::/32"), &environment).unwrap();
        assert_eq!(proxy_for(&some, "https://9.9.9.9/"), None);
        assert_eq!(proxy_for(&some, "https://[2606:4700::1111]/"), None);
        assert_eq!(proxy_for(&some, "https://9.9.8.9/").as_deref(), Some("a:1"));
    }

    #[test]
    fn an_invalid_proxy_is_a_clear_error_without_its_password() {
        for (text, word) in [
            ("", "not a URL"),
            ("http://", "not a URL"),
            ("http://a b", "not a URL"),
            ("socks5://user:SECRET@proxy:1080", "SOCKS"),
            ("ftp://user:SECRET@proxy", "neither http nor https"),
            ("http://user:SECRET@proxy:3128/path", "more than a host"),
            ("http://proxy:3128?SECRET", "more than a host"),
        ] {
            let error = proxies(Some(text), None, &[]).err().unwrap();
            assert_eq!(error.kind(), ErrorKind::Config);
            let line = format!("{error} {error:?}");
            assert!(line.contains(word) && !line.contains("SECRET"), "{text}: {line}");
        }
        for list in [
            "https://a.example",
            "*.example.com",
            "a b",
            "a:80",
            "10.0.0.0/x",
            "10.0.0.0/33",
        ] {
            let error = proxies(None, Some(list), &[]).err().unwrap();
            assert!(
                error.to_string().contains("separate them by commas"),
                "{list}: {error}"
            );
        }
        assert!(
            proxies(
                None,
                Some(" a.example , .b.example,::1,10.0.0.0/8,fd00::/8,* ,"),
                &[]
            )
            .is_ok()
        );
    }

    #[test]
    fn an_invalid_proxy_in_the_environment_fails_only_requests_that_need_it() {
        let proxies = proxies(None, None, &[("all_proxy", "socks5://user:SECRET@proxy")]).unwrap();
        assert_eq!(proxy_for(&proxies, "http://127.0.0.1:8080/v1"), None);
        let error = proxies
            .for_url(&Url::parse("https://api.x.ai/v1").unwrap())
            .err()
            .unwrap();
        let line = error.to_string();
        assert!(line.contains("all_proxy") && !line.contains("SECRET"), "{line}");
    }
}
