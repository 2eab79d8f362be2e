//! Protects downloads against server-side request forgery (SSRF).
//!
//! A clip's URL comes from the service's reply. If it pointed into the caller's private network, downloading it would be
//! an attack on that network. Owns the rule that downloads reach only public addresses and the host of the API, which
//! the caller has configured.
//!
//! [`check_url`] rejects literal private addresses and names that are local by convention. [`PublicResolver`] checks the
//! addresses that a name resolves to. With a proxy only the first check applies, because the proxy resolves the name.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

/// A DNS resolver that returns only public addresses.
#[derive(Debug)]
pub(super) struct PublicResolver {
    allowed: Option<String>,
}

impl PublicResolver {
    /// Creates a resolver that returns all addresses of the host `allowed`.
    pub(super) fn new(allowed: Option<&str>) -> Arc<Self> {
        Arc::new(Self {
            allowed: allowed.map(str::to_owned),
        })
    }
}

impl Resolve for PublicResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let host = name.as_str().to_owned();
        let allow_private = self.allowed.as_deref() == Some(name.as_str());
        Box::pin(async move {
            let resolved = tokio::net::lookup_host((host.as_str(), 0)).await?;
            let addresses = filter_addresses(resolved, allow_private);
            if addresses.is_empty() {
                return Err(format!("{host} has no public address").into());
            }
            // The connection uses these addresses, so a later change of the DNS record has no effect.
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}

/// Removes the private addresses, unless they are allowed.
fn filter_addresses(resolved: impl Iterator<Item = SocketAddr>, allow_private: bool) -> Vec<SocketAddr> {
    resolved
        .filter(|address| allow_private || is_public(address.ip()))
        .collect()
}

/// Checks whether a clip may be downloaded from a URL, before its host name is resolved.
///
/// # Errors
/// The reason why not.
pub(super) fn check_url(url: &Url, api: &Url) -> Result<(), &'static str> {
    let Some(host) = url.host() else {
        return Err("it has no host");
    };
    let is_api_host = url.host_str() == api.host_str();
    match url.scheme() {
        "https" => {}
        "http" if is_api_host && is_loopback(&host) => {}
        "http" => return Err("it is not https"),
        _ => return Err("its scheme is not https"),
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("it contains a user name or password");
    }
    let is_public = match host {
        Host::Domain(name) => !is_local_name(name),
        Host::Ipv4(address) => is_public(IpAddr::V4(address)),
        Host::Ipv6(address) => is_public(IpAddr::V6(address)),
    };
    if is_public || is_api_host {
        Ok(())
    } else {
        Err("it points into a private network")
    }
}

/// Returns whether a host is literally `localhost` or a loopback address, so that the key may be sent without TLS.
pub(super) fn is_loopback(host: &Host<&str>) -> bool {
    match host {
        Host::Domain(name) => *name == "localhost",
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => address.is_loopback(),
    }
}

/// Returns whether requests to a host stay on this machine, so that they bypass the proxy.
///
/// Broader than [`is_loopback`]: it includes names below `localhost` (RFC 6761), unspecified addresses, and IPv4 addresses
/// mapped to IPv6.
pub(super) fn is_this_machine(host: &Host<&str>) -> bool {
    match host {
        Host::Domain(name) => last_label(name) == "localhost",
        Host::Ipv4(address) => address.is_loopback() || address.is_unspecified(),
        Host::Ipv6(address) => {
            let inner = address.to_ipv4_mapped();
            address.is_loopback()
                || address.is_unspecified()
                || inner.is_some_and(|inner| inner.is_loopback() || inner.is_unspecified())
        }
    }
}

/// Returns whether a name refers to the local network: a bare host name, or a name in a zone that is reserved or commonly
/// used for local networks.
fn is_local_name(name: &str) -> bool {
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    !name.contains('.')
        || name.ends_with(".home.arpa")
        || [
            "localhost",
            "localdomain",
            "local",
            "internal",
            "intranet",
            "private",
            "corp",
            "home",
            "lan",
        ]
        .contains(&last_label(&name).as_str())
}

fn last_label(name: &str) -> String {
    let name = name.trim_end_matches('.');
    name.rsplit('.').next().unwrap_or_default().to_ascii_lowercase()
}

fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

/// Returns whether an IPv4 address is globally reachable by IANA's special-purpose address registry.
fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    !(address.is_unspecified()
        || a == 0
        || address.is_loopback()
        || address.is_private()
        || address.is_link_local()
        || address.is_broadcast()
        || address.is_documentation()
        || address.is_multicast()
        || a >= 240
        || (a == 100 && (64..128).contains(&b))
        || (a == 192 && b == 0 && c == 0)
        || (a == 198 && (18..20).contains(&b))
        // 6to4 relays, which lead into the nearest network that has one.
        || (a == 192 && b == 88 && c == 99)
        // Public in the registry, but the host of the virtual machine on Azure.
        || address == AZURE_HOST)
}

const AZURE_HOST: Ipv4Addr = Ipv4Addr::new(168, 63, 129, 16);

/// Returns whether an IPv6 address is global unicast. An address that embeds an IPv4 address counts as that address.
fn is_public_v6(address: Ipv6Addr) -> bool {
    if let Some(inner) = address.to_ipv4() {
        return is_public_v4(inner);
    }
    let embedded = |high: u16, low: u16| {
        let bits = (u32::from(high) << 16) | u32::from(low);
        is_public_v4(Ipv4Addr::from_bits(bits))
    };
    match address.segments() {
        // NAT64 and 6to4 embed an IPv4 address.
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] | [0x2002, high, low, ..] => embedded(high, low),
        // Teredo, benchmarking, documentation, ORCHID.
        [0x2001, 0 | 0xdb8, ..] | [0x2001, 0x2, 0, ..] => false,
        [0x2001, second, ..] if (0x10..0x30).contains(&second) => false,
        [0x3fff, second, ..] if second < 0x1000 => false,
        [first, ..] => first & 0xe000 == 0x2000,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(url: &str, api: &str) -> Result<(), &'static str> {
        check_url(&Url::parse(url).unwrap(), &Url::parse(api).unwrap())
    }

    #[test]
    fn private_addresses_are_rejected_in_every_notation() {
        for url in [
            "https://10.0.0.1/a",
            "https://172.16.0.1/a",
            "https://192.168.1.1/a",
            "https://127.0.0.1/a",
            "https://127.1/a",
            "https://2130706433/a",
            "https://0x7f.1/a",
            "https://0.0.0.0/a",
            "https://169.254.169.254/latest/meta-data",
            "https://100.64.0.1/a",
            "https://[::1]/a",
            "https://[::ffff:10.0.0.1]/a",
            "https://[64:ff9b::a00:1]/a",
            "https://[2002:a00:1::]/a",
            "https://[fe80::1]/a",
            "https://[fd00:ec2::254]/a",
            "https://localhost/a",
            "https://metadata.google.internal/a",
            "https://printer.local/a",
            "https://intranet/a",
            "https://intranet./a",
            "https://files.corp/a",
            "https://nas.lan/a",
            "https://router.home.arpa/a",
            "http://cdn.example/a",
            "http://127.0.0.1/a",
            "file:///etc/passwd",
            "https://user@cdn.example/a",
        ] {
            assert!(check(url, "https://api.x.ai/v1").is_err(), "{url}");
        }
        assert!(check("https://vidgen.x.ai/a.mp4?sig=1", "https://api.x.ai/v1").is_ok());
        assert!(check("https://[2606:4700::1111]/a", "https://api.x.ai/v1").is_ok());
    }

    #[test]
    fn only_the_api_host_may_be_private() {
        assert!(check("http://127.0.0.1:9/a", "http://127.0.0.1:8/v1").is_ok());
        assert!(check("https://10.0.0.5/a", "https://10.0.0.5/v1").is_ok());
        assert!(check("https://10.0.0.6/a", "https://10.0.0.5/v1").is_err());
        assert!(check("http://10.0.0.5/a", "https://10.0.0.5/v1").is_err());
    }

    #[test]
    fn this_machine_is_recognized_in_every_notation() {
        for (url, here) in [
            ("http://localhost/", true),
            ("http://LOCALHOST./", true),
            ("https://a.localhost/", true),
            ("http://127.0.0.1/", true),
            ("http://127.9.9.9/", true),
            ("http://0x7f.1/", true),
            ("http://0.0.0.0/", true),
            ("http://[::1]/", true),
            ("http://[::]/", true),
            ("http://[::ffff:127.0.0.1]/", true),
            ("https://localhost.example/", false),
            ("https://api.x.ai/", false),
            ("https://10.0.0.1/", false),
            ("https://[2606:4700::1111]/", false),
        ] {
            let url = Url::parse(url).unwrap();
            assert_eq!(is_this_machine(&url.host().unwrap()), here, "{url}");
        }
    }

    #[test]
    fn every_address_that_is_not_global_is_rejected() {
        for address in [
            // This network, private, carrier-grade NAT, loopback, link-local including metadata services.
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.0",
            "10.255.255.255",
            "100.64.0.0",
            "100.100.100.200",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.255.254",
            "169.254.0.1",
            "169.254.169.254",
            "169.254.170.2",
            "172.16.0.0",
            "172.31.255.255",
            "192.168.0.0",
            "192.168.255.255",
            "168.63.129.16",
            // Protocol assignments, documentation, relays, benchmarks, multicast, reserved, broadcast.
            "192.0.0.1",
            "192.0.0.192",
            "192.0.2.1",
            "192.88.99.1",
            "198.18.0.0",
            "198.19.255.255",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            // Embedded IPv4: mapped, compatible, NAT64 of both kinds, 6to4, Teredo.
            "::ffff:10.0.0.1",
            "::ffff:169.254.169.254",
            "::10.0.0.1",
            "::ffff:0:10.0.0.1",
            "64:ff9b::10.0.0.1",
            "64:ff9b::7f00:1",
            "64:ff9b:1::808:808",
            "2002:a00:1::1",
            "2002:7f00:1::",
            "2001:0:a00:1::1",
            "2001::1",
            // Discard, benchmarks, ORCHID of both kinds, documentation of both kinds, segment routing.
            "100::1",
            "2001:2::1",
            "2001:10::1",
            "2001:2f::1",
            "2001:db8::1",
            "3fff::1",
            "3fff:fff::1",
            "5f00::1",
            // Unique local including metadata services, link-local, site-local, multicast.
            "fc00::1",
            "fd00:ec2::254",
            "fd20:ce::254",
            "fe80::1",
            "febf::1",
            "fec0::1",
            "ff02::1",
            "ff0e::1",
        ] {
            let address: IpAddr = address.parse().unwrap();
            assert!(!is_public(address), "{address}");
        }
        for address in [
            "1.1.1.1",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "192.167.255.255",
            "192.169.0.0",
            "198.17.255.255",
            "198.20.0.0",
            "223.255.255.255",
            "::ffff:1.1.1.1",
            "64:ff9b::101:101",
            "2002:101:101::1",
            "2606:4700::1111",
            "2a00:1450::1",
            "3ffe::1",
        ] {
            let address: IpAddr = address.parse().unwrap();
            assert!(is_public(address), "{address}");
        }
    }

    #[test]
    fn private_addresses_among_public_ones_are_removed() {
        let answers = [
            "1.1.1.1:0",
            "10.0.0.1:0",
            "[::1]:0",
            "[2606:4700::1111]:0",
            "127.0.0.1:0",
        ];
        let found = || answers.iter().map(|answer| answer.parse().unwrap());
        let kept: Vec<String> = filter_addresses(found(), false)
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(kept, ["1.1.1.1:0", "[2606:4700::1111]:0"]);
        assert!(filter_addresses(found().skip(1).take(2), false).is_empty());
        assert_eq!(filter_addresses(found(), true).len(), answers.len());
    }

    #[tokio::test]
    async fn a_name_that_resolves_to_this_machine_is_rejected() {
        let name = |text: &str| text.parse::<Name>().unwrap();
        assert!(
            PublicResolver::new(Some("api.x.ai"))
                .resolve(name("localhost"))
                .await
                .is_err()
        );
        assert!(
            PublicResolver::new(Some("localhost"))
                .resolve(name("localhost"))
                .await
                .is_ok()
        );
    }
}
