//! Checks the `Host` and `Origin` of requests to the sandbox.
//!
//! A web page can let its own host name resolve to this machine (DNS rebinding), and would then be able to read the
//! sandbox. The check of `Host` prevents that, because the browser sends the page's host name. It ignores the port,
//! which differs after port forwarding.
//!
//! The check of `Origin` prevents pages of other origins from changing the sandbox. It compares host and port, because
//! a page on another port of this machine has another origin.

use std::net::{IpAddr, SocketAddr};

use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderName, Uri, header};

use crate::sandbox::rules::refusal::Refusal;

/// The hosts under which a sandbox may be reached.
#[derive(Debug, Clone)]
pub(crate) struct AllowedHosts {
    address: SocketAddr,
    /// Additional names and addresses, in lower case.
    names: Vec<String>,
}

impl AllowedHosts {
    pub(crate) fn new(address: SocketAddr, names: Vec<String>) -> Self {
        let mut names = names;
        for name in &mut names {
            name.make_ascii_lowercase();
        }
        Self { address, names }
    }

    /// Refuses a request whose `Host` header or target does not name this sandbox.
    pub(crate) fn check_host(&self, uri: &Uri, headers: &HeaderMap) -> Result<(), Refusal> {
        let refuse = || {
            Refusal::forbidden(format!(
                "The host of the request does not name this sandbox: use http://{}, or start it with --allow-host NAME.",
                self.address
            ))
        };
        let header = single_value(headers, &header::HOST).map_err(|()| refuse())?;
        let authority = header.map(|host| host.parse::<Authority>().map_err(|_| refuse()));
        let authority = authority.transpose()?;
        // HTTP/2 requests and requests to a proxy name the host in the target. If both are present, both are checked.
        if authority.is_none() && uri.authority().is_none() {
            return Err(refuse());
        }
        let is_allowed = |authority: &Authority| self.allows(authority);
        if authority.iter().chain(uri.authority()).all(is_allowed) {
            Ok(())
        } else {
            Err(refuse())
        }
    }

    /// Refuses a request whose `Origin` header has another host or port than the request. Accepts a request without
    /// that header, because programs do not send it.
    pub(crate) fn check_origin(uri: &Uri, headers: &HeaderMap) -> Result<(), Refusal> {
        let refuse = || {
            Refusal::forbidden(
                "The request comes from a page of another site: only programs and the sandbox's own page may change the sandbox.",
            )
        };
        let Some(origin) = single_value(headers, &header::ORIGIN).map_err(|()| refuse())? else {
            return Ok(());
        };
        let host = single_value(headers, &header::HOST).ok().flatten();
        let host = uri.authority().map(Authority::as_str).or(host);
        let is_same_origin = origin
            .split_once("://")
            .filter(|(scheme, _)| matches!(*scheme, "http" | "https"))
            .zip(host)
            .is_some_and(|((_, from), host)| from.eq_ignore_ascii_case(host));
        if is_same_origin { Ok(()) } else { Err(refuse()) }
    }

    fn allows(&self, authority: &Authority) -> bool {
        // A `Host` header never contains user information.
        if authority.as_str().contains('@') {
            return false;
        }
        let port = authority.as_str().strip_prefix(authority.host());
        let is_port = |port: &str| {
            port.strip_prefix(':')
                .is_some_and(|digits| digits.parse::<u16>().is_ok())
        };
        if !port.is_some_and(|port| port.is_empty() || is_port(port)) {
            return false;
        }
        let host = authority.host().to_ascii_lowercase();
        let name = host.strip_suffix('.').unwrap_or(&host);
        if self.names.iter().any(|allowed| allowed == name) {
            return true;
        }
        let ipv6 = name.strip_prefix('[').and_then(|name| name.strip_suffix(']'));
        let ip = ipv6.unwrap_or(name).parse::<IpAddr>().ok();
        let listens_everywhere = self.address.ip().is_unspecified();
        let is_this_machine = name == "localhost" || ip.is_some_and(|ip| ip.to_canonical().is_loopback());
        // A sandbox on all addresses accepts any IP address, because DNS rebinding needs a host name.
        let is_own =
            ip.is_some_and(|ip| listens_everywhere || ip.to_canonical() == self.address.ip().to_canonical());
        is_this_machine || is_own
    }
}

/// Returns the value of a header, or an error if it appears more than once or is not text.
fn single_value<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>, ()> {
    let mut all = headers.get_all(name).iter();
    match (all.next(), all.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => value.to_str().map(Some).map_err(|_| ()),
        (Some(_), Some(_)) => Err(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allows(address: &str, host: &str) -> bool {
        let hosts = AllowedHosts::new(address.parse().unwrap(), vec!["Sandbox.Internal".to_owned()]);
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, host.parse().unwrap());
        hosts.check_host(&Uri::from_static("/"), &headers).is_ok()
    }

    #[test]
    fn a_loopback_sandbox_accepts_loopback_hosts() {
        let own = "127.0.0.1:4000";
        for good in [
            "127.0.0.1:4000",
            "localhost:4000",
            "LOCALHOST:4000",
            "localhost.:4000",
            "127.1.2.3:4000",
            "[::1]:4000",
            "[::ffff:127.0.0.1]:4000",
            "localhost",
            "127.0.0.1",
            "localhost:4001",
            "sandbox.internal:9",
            "SANDBOX.internal",
        ] {
            assert!(allows(own, good), "{good}");
        }
        for bad in [
            "evil.example",
            "evil.example:4000",
            "localhost.evil.example:4000",
            "127.0.0.1.evil.example:4000",
            "localhost:4000.evil.example",
            "localhost:evil.example",
            "localhost:",
            "localhost:65536",
            "user@localhost:4000",
            "192.0.2.1:4000",
            "[2001:db8::1]:4000",
            "0.0.0.0:4000",
            "localhost:4000:4000",
            "",
            "[::1",
        ] {
            assert!(!allows(own, bad), "{bad:?}");
        }
    }

    #[test]
    fn the_listening_address_is_accepted() {
        for (own, host, expected) in [
            ("192.0.2.7:4000", "192.0.2.7:4000", true),
            ("192.0.2.7:4000", "localhost:4000", true),
            ("192.0.2.7:4000", "192.0.2.8:4000", false),
            ("192.0.2.7:4000", "evil.example:4000", false),
            ("[2001:db8::7]:4000", "[2001:db8::7]:4000", true),
            ("0.0.0.0:4000", "0.0.0.0:4000", true),
            ("[::]:4000", "[::]:4000", true),
            ("[::]:4000", "192.0.2.8:9", true),
            ("0.0.0.0:4000", "localhost:9", true),
            ("0.0.0.0:4000", "evil.example:4000", false),
        ] {
            assert_eq!(allows(own, host), expected, "{own} {host}");
        }
    }

    #[test]
    fn the_target_and_every_header_are_checked() {
        let hosts = AllowedHosts::new("127.0.0.1:4000".parse().unwrap(), Vec::new());
        let mut headers = HeaderMap::new();
        let check = |uri: &'static str, headers: &HeaderMap| {
            hosts.check_host(&Uri::from_static(uri), headers).is_ok()
        };
        assert!(!check("/", &headers), "no host at all");
        assert!(check("http://127.0.0.1:4000/", &headers));
        headers.insert(header::HOST, "127.0.0.1:4000".parse().unwrap());
        assert!(!check("http://evil.example/", &headers));
        headers.append(header::HOST, "evil.example".parse().unwrap());
        assert!(!check("/", &headers));
    }
}
