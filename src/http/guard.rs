//! Which addresses a download may reach.
//!
//! A clip's URL comes from a server's reply. Were it to point into the caller's own network, fetching
//! it would be an attack carried out by us; so only public addresses are reached, and the API's own
//! host, wherever the caller put that.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

/// Resolves names to their public addresses.
#[derive(Debug)]
pub(super) struct PublicResolver {
    allowed: Option<String>,
}

impl PublicResolver {
    /// A resolver that lets one host be anywhere.
    pub(super) fn allowing(host: Option<&str>) -> Arc<Self> {
        Arc::new(Self {
            allowed: host.map(str::to_owned),
        })
    }
}

impl Resolve for PublicResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let host = name.as_str().to_owned();
        let anywhere = self.allowed.as_deref() == Some(name.as_str());
        Box::pin(async move {
            let found = tokio::net::lookup_host((host.as_str(), 0)).await?;
            let reachable: Vec<SocketAddr> = found
                .filter(|address| anywhere || is_public(address.ip()))
                .collect();
            if reachable.is_empty() {
                return Err(format!("{host} has no public address").into());
            }
            Ok(Box::new(reachable.into_iter()) as Addrs)
        })
    }
}

/// Whether a clip may be fetched from this URL, as far as can be said before its name is resolved.
pub(super) fn check_url(url: &Url, api: &Url) -> Result<(), &'static str> {
    let Some(host) = url.host() else {
        return Err("it has no host");
    };
    let own_host = url.host_str() == api.host_str();
    match url.scheme() {
        "https" => {}
        "http" if own_host && is_loopback(&host) => {}
        "http" => return Err("it is not https"),
        _ => return Err("its scheme is not https"),
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("it holds a user name");
    }
    let public = match host {
        Host::Domain(name) => !is_local_name(name),
        Host::Ipv4(address) => is_public(IpAddr::V4(address)),
        Host::Ipv6(address) => is_public(IpAddr::V6(address)),
    };
    if public || own_host {
        Ok(())
    } else {
        Err("it points into a private network")
    }
}

/// Whether a host is this machine, by its literal form.
pub(super) fn is_loopback(host: &Host<&str>) -> bool {
    match host {
        Host::Domain(name) => *name == "localhost",
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => address.is_loopback(),
    }
}

fn is_local_name(name: &str) -> bool {
    let last = name
        .trim_end_matches('.')
        .rsplit('.')
        .next()
        .unwrap_or_default()
        .to_ascii_lowercase();
    ["localhost", "local", "internal"].contains(&last.as_str())
}

fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

/// IANA's special-purpose registry for IPv4, everything that is not globally reachable.
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
        || (a == 198 && (18..20).contains(&b)))
}

/// Global unicast only, and what carries an IPv4 address inside is judged by that.
fn is_public_v6(address: Ipv6Addr) -> bool {
    if let Some(inner) = address.to_ipv4() {
        return is_public_v4(inner);
    }
    let embedded = |high: u16, low: u16| {
        let bits = (u32::from(high) << 16) | u32::from(low);
        is_public_v4(Ipv4Addr::from_bits(bits))
    };
    match address.segments() {
        // NAT64 and 6to4 carry an IPv4 address.
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

    fn verdict(url: &str, api: &str) -> Result<(), &'static str> {
        check_url(&Url::parse(url).unwrap(), &Url::parse(api).unwrap())
    }

    #[test]
    fn private_places_are_refused_in_every_spelling() {
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
            "http://cdn.example/a",
            "http://127.0.0.1/a",
            "file:///etc/passwd",
            "https://user@cdn.example/a",
        ] {
            assert!(verdict(url, "https://api.x.ai/v1").is_err(), "{url}");
        }
        assert!(verdict("https://vidgen.x.ai/a.mp4?sig=1", "https://api.x.ai/v1").is_ok());
        assert!(verdict("https://[2606:4700::1111]/a", "https://api.x.ai/v1").is_ok());
    }

    #[test]
    fn the_api_host_may_be_anywhere_and_nothing_else() {
        assert!(verdict("http://127.0.0.1:9/a", "http://127.0.0.1:8/v1").is_ok());
        assert!(verdict("https://10.0.0.5/a", "https://10.0.0.5/v1").is_ok());
        assert!(verdict("https://10.0.0.6/a", "https://10.0.0.5/v1").is_err());
        assert!(verdict("http://10.0.0.5/a", "https://10.0.0.5/v1").is_err());
    }

    #[tokio::test]
    async fn a_name_that_resolves_to_this_machine_is_refused() {
        let name = |text: &str| text.parse::<Name>().unwrap();
        assert!(
            PublicResolver::allowing(Some("api.x.ai"))
                .resolve(name("localhost"))
                .await
                .is_err()
        );
        assert!(
            PublicResolver::allowing(Some("localhost"))
                .resolve(name("localhost"))
                .await
                .is_ok()
        );
    }
}
