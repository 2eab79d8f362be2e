//! Checks which host names and addresses a request may use to reach the sandbox.
//!
//! Owns the checks of `Host` and `Origin`. A web page can let its own name resolve to this machine (DNS rebinding)
//! and would then be able to read the sandbox, but the browser sends the page's name as the host. The port is not
//! compared: a page cannot choose the port of a name that is not its own, and behind port forwarding the port
//! differs.

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
        let header = single(headers, &header::HOST).map_err(|()| refuse())?;
        let named = header.map(|host| host.parse::<Authority>().map_err(|_| refuse()));
        let named = named.transpose()?;
        // HTTP/2 requests and requests to a proxy name the host in the target. If both are present, both are checked.
        if named.is_none() && uri.authority().is_none() {
            return Err(refuse());
        }
        let is_allowed = |authority: &Authority| self.allows(authority);
        if named.iter().chain(uri.authority()).all(is_allowed) {
            Ok(())
        } else {
            Err(refuse())
        }
    }

    /// Refuses a request from a page of another origin. Clients other than browsers send no `Origin`.
    pub(crate) fn check_origin(uri: &Uri, headers: &HeaderMap) -> Result<(), Refusal> {
        let refuse = || {
            Refusal::forbidden(
                "The origin of the request is another site: only the sandbox's own page and programs may change it.",
            )
        };
        let Some(origin) = single(headers, &header::ORIGIN).map_err(|()| refuse())? else {
            return Ok(());
        };
        let host = single(headers, &header::HOST).ok().flatten();
        let host = uri.authority().map(Authority::as_str).or(host);
        let same = origin
            .split_once("://")
            .filter(|(scheme, _)| matches!(*scheme, "http" | "https"))
            .zip(host)
            .is_some_and(|((_, from), host)| from.eq_ignore_ascii_case(host));
        if same { Ok(()) } else { Err(refuse()) }
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
        let bare = name.strip_prefix('[').and_then(|name| name.strip_suffix(']'));
        let literal = bare.unwrap_or(name).parse::<IpAddr>().ok();
        let listens_everywhere = self.address.ip().is_unspecified();
        let is_this_machine =
            name == "localhost" || literal.is_some_and(|ip| ip.to_canonical().is_loopback());
        // An IP address cannot be rebound by a page, so a sandbox on all addresses accepts any of them.
        let is_own = literal
            .is_some_and(|ip| listens_everywhere || ip.to_canonical() == self.address.ip().to_canonical());
        is_this_machine || is_own
    }
}

/// Returns the value of a header, or an error if it appears more than once or is not text.
fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>, ()> {
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
