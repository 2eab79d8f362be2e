//! Which requests go through a proxy.
//!
//! Decided in one place, before a request is made, because the answer changes what the guard of downloads can check.
//! Only https is ever proxied: the proxy sees a name and a port, and neither the key nor the content. http is for this
//! machine alone, and what stays on this machine goes through no proxy.

use hyper_util::client::proxy::matcher::{Intercept, Matcher};
use url::Url;

use super::guard;
use crate::error::{Error, ErrorKind, Result};

/// A target that no exception names, to ask a set of rules for its proxy.
const ANY_TARGET: &str = "https://target.invalid/";
/// A proxy that is never used: the rules of an exception list need one to say what they exempt.
const ANY_PROXY: &str = "http://proxy.invalid/";

/// What a caller says of proxies. What is left open is read from the environment.
#[derive(Debug, Clone, Default)]
pub(crate) struct ProxySettings {
    pub(crate) proxy: Option<String>,
    pub(crate) no_proxy: Option<String>,
}

/// The proxy for https, and the targets that are exempt from it.
pub(super) struct Proxies {
    proxy: Result<Option<Intercept>>,
    /// A target is proxied when all of these say so.
    rules: Vec<Matcher>,
}

impl Proxies {
    /// The caller's proxy, else that of the environment, else that of the system's settings where it has such.
    ///
    /// A proxy of the environment that cannot be used is an error once a request needs it, so that what stays on this
    /// machine works without.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] for a proxy or exceptions of the caller's that cannot be used.
    pub(super) fn new(
        settings: &ProxySettings,
        environment: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self> {
        if let Some(list) = &settings.no_proxy {
            check_exceptions(list)?;
        }
        let exceptions = settings.no_proxy.clone();
        if let Some(text) = &settings.proxy {
            let proxy = parse_proxy(text, "the proxy")?;
            return Ok(Self::fixed(Ok(proxy), &exceptions.unwrap_or_default()));
        }
        // The order and the spellings are those of reqwest and most programs. `HTTP_PROXY` is not among them: a CGI
        // server fills it from a header of the request.
        for names in [["HTTPS_PROXY", "https_proxy"], ["ALL_PROXY", "all_proxy"]] {
            if let Some((name, text)) = first_set(environment, names).filter(|(_, text)| !text.is_empty()) {
                let exceptions = exceptions
                    .or_else(|| first_set(environment, ["NO_PROXY", "no_proxy"]).map(|(_, list)| list));
                return Ok(Self::fixed(
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
        rules.extend(exceptions.map(|list| exempting(&list)));
        Ok(Self {
            proxy: Ok(proxy),
            rules,
        })
    }

    fn fixed(proxy: Result<Intercept>, exceptions: &str) -> Self {
        Self {
            proxy: proxy.map(Some),
            rules: vec![exempting(exceptions)],
        }
    }

    /// The proxy that a request to a URL goes through.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] when the environment names one that cannot be used.
    pub(super) fn of(&self, url: &Url) -> Result<Option<&Intercept>> {
        let Some(host) = url.host() else {
            return Ok(None);
        };
        if url.scheme() != "https" || guard::is_this_machine(&host) {
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

    /// The proxy, if requests to some targets go through one.
    pub(super) fn any(&self) -> Result<Option<&Intercept>> {
        self.proxy.as_ref().map(Option::as_ref).map_err(Clone::clone)
    }
}

/// Rules that proxy everything but what a list exempts.
fn exempting(list: &str) -> Matcher {
    let rules = Matcher::builder();
    // A `*` exempts names alone there, and is meant for addresses as well.
    if list.split(',').any(|entry| entry.trim() == "*") {
        return rules.build();
    }
    rules.https(ANY_PROXY).no(list.to_owned()).build()
}

/// Has a client send every https request through a proxy.
pub(super) fn through(client: reqwest::ClientBuilder, proxy: &Intercept) -> Result<reqwest::ClientBuilder> {
    let uri = proxy.uri().to_string();
    let all = reqwest::Proxy::https(uri).map_err(|error| {
        Error::new(ErrorKind::Config, "set up the proxy").with_source(error.without_url())
    })?;
    Ok(client.proxy(match proxy.basic_auth() {
        Some(credentials) => all.custom_http_auth(credentials.clone()),
        None => all,
    }))
}

/// Host and port of a proxy, for messages.
pub(super) fn name(proxy: &Intercept) -> String {
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

/// Reads the URL of a proxy; without a scheme it is that of an http proxy. Never shows it: it may have a password.
fn parse_proxy(text: &str, what: &str) -> Result<Intercept> {
    let bad = |why: &str| {
        Error::new(
            ErrorKind::Config,
            format!("read {what}: {why}; write it as http://proxy.example:3128"),
        )
    };
    let text = text.trim();
    let with_scheme = if text.contains("://") {
        text.to_owned()
    } else {
        format!("http://{text}")
    };
    let url = Url::parse(&with_scheme).map_err(|_| bad("it is not a URL"))?;
    match url.scheme() {
        "http" | "https" => {}
        scheme if scheme.starts_with("socks") => {
            return Err(bad("SOCKS is not supported, only http and https proxies are"));
        }
        _ => return Err(bad("its scheme is neither http nor https")),
    }
    if url.host_str().is_none_or(str::is_empty) {
        return Err(bad("it has no host"));
    }
    if !matches!(url.path(), "" | "/") || url.query().is_some() || url.fragment().is_some() {
        return Err(bad("it has more than a host and a port"));
    }
    let target = ANY_TARGET.parse().map_err(|_| bad("it cannot be used"))?;
    Matcher::builder()
        .https(url.to_string())
        .build()
        .intercept(&target)
        .ok_or_else(|| bad("it cannot be used"))
}

/// Whether every entry of a list is one that exempts something.
fn check_exceptions(list: &str) -> Result<()> {
    for entry in list.split(',').map(str::trim).filter(|entry| !entry.is_empty()) {
        let is_network = entry.split_once('/').is_some_and(|(address, bits)| {
            address.parse::<std::net::IpAddr>().is_ok() && bits.parse::<u8>().is_ok_and(|bits| bits <= 128)
        });
        let is_address = entry.parse::<std::net::IpAddr>().is_ok();
        let is_name = !entry.contains(['/', ':', '*', '@']) && !entry.contains(char::is_whitespace);
        if entry != "*" && !is_network && !is_address && !is_name {
            return Err(Error::new(
                ErrorKind::Config,
                format!(
                    "read the exceptions from the proxy: {entry:?} is none; separate host names, addresses and networks by commas, as in .example.com,10.0.0.0/8"
                ),
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxies(proxy: Option<&str>, no_proxy: Option<&str>, environment: &[(&str, &str)]) -> Result<Proxies> {
        let settings = ProxySettings {
            proxy: proxy.map(str::to_owned),
            no_proxy: no_proxy.map(str::to_owned),
        };
        let look = |name: &str| {
            let found = environment.iter().find(|(have, _)| *have == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        Proxies::new(&settings, &look)
    }

    /// Host and port of the proxy for a URL.
    fn of(proxies: &Proxies, url: &str) -> Option<String> {
        proxies.of(&Url::parse(url).unwrap()).unwrap().map(name)
    }

    #[test]
    fn this_machine_and_http_are_never_proxied() {
        let all = proxies(Some("http://proxy:3128"), None, &[]).unwrap();
        assert_eq!(of(&all, "https://api.x.ai/v1").as_deref(), Some("proxy:3128"));
        assert_eq!(of(&all, "https://10.0.0.1/v1").as_deref(), Some("proxy:3128"));
        for url in [
            "http://api.x.ai/v1",
            "https://localhost/",
            "https://api.localhost:8443/",
            "https://127.0.0.1:8443/",
            "https://[::1]/",
            "https://[::ffff:127.0.0.1]/",
        ] {
            assert_eq!(of(&all, url), None, "{url}");
        }
    }

    #[test]
    fn the_environment_is_read_in_the_order_of_other_programs() {
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
            assert_eq!(of(&proxies, target).as_deref(), found, "{environment:?}");
        }
    }

    #[test]
    fn what_the_caller_says_takes_the_place_of_the_environment() {
        let environment = [("https_proxy", "http://a:1"), ("no_proxy", "x.ai")];
        let given = proxies(Some("https://user:word@b:2"), None, &environment).unwrap();
        assert_eq!(of(&given, "https://api.x.ai/").as_deref(), Some("b:2"));
        assert!(given.any().unwrap().unwrap().basic_auth().unwrap().is_sensitive());
        let given = proxies(None, Some("cdn.example, 10.0.0.0/8"), &environment).unwrap();
        assert_eq!(of(&given, "https://api.x.ai/").as_deref(), Some("a:1"));
        assert_eq!(of(&given, "https://a.cdn.example/"), None);
        assert_eq!(of(&given, "https://10.1.2.3/"), None);
        let none = proxies(None, Some("*"), &environment).unwrap();
        assert_eq!(of(&none, "https://api.x.ai/"), None);
        assert_eq!(of(&none, "https://9.9.9.9/"), None);
        assert_eq!(of(&none, "https://[2606:4700::1111]/"), None);
        let some = proxies(None, Some("9.9.9.0/24,2606:4700::/32"), &environment).unwrap();
        assert_eq!(of(&some, "https://9.9.9.9/"), None);
        assert_eq!(of(&some, "https://[2606:4700::1111]/"), None);
        assert_eq!(of(&some, "https://9.9.8.9/").as_deref(), Some("a:1"));
    }

    #[test]
    fn a_proxy_that_cannot_be_used_is_one_clear_line_without_its_password() {
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
        for list in ["https://a.example", "*.example.com", "a b", "a:80", "10.0.0.0/x"] {
            let error = proxies(None, Some(list), &[]).err().unwrap();
            assert!(
                error.to_string().contains("separate host names"),
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
    fn a_proxy_of_the_environment_that_cannot_be_used_fails_what_needs_it() {
        let proxies = proxies(None, None, &[("all_proxy", "socks5://user:SECRET@proxy")]).unwrap();
        assert_eq!(of(&proxies, "http://127.0.0.1:8080/v1"), None);
        let error = proxies
            .of(&Url::parse("https://api.x.ai/v1").unwrap())
            .err()
            .unwrap();
        let line = error.to_string();
        assert!(line.contains("all_proxy") && !line.contains("SECRET"), "{line}");
    }
}
