//! Networks, as people write them.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;
use serde::de::{Deserializer, Error};
use serde::{Deserialize, Serialize};
use url::{Host, Url};

/// Whether the address of a server leads to this machine: by a number, or as `localhost`.
#[must_use]
pub fn leads_here(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

/// Whether people reach what lies below an address: over HTTP, and with nothing behind
/// the path, which is added to.
pub(crate) fn is_for_people(url: &Url) -> bool {
    matches!(url.scheme(), "http" | "https")
        && url.has_host()
        && url.query().is_none()
        && url.fragment().is_none()
}

/// Addresses: `10.0.0.0/8`, `2001:db8::/32`, or one by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Network(IpNet);

impl Network {
    /// Whether an address is one of them. An IPv4 address may be written as IPv6.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.contains(&address.to_canonical())
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let network = text.parse::<IpNet>().ok();
        let network = network.or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from));
        let network = network.ok_or_else(|| {
            format!("{text:?} is no network; expected one such as 10.1.0.0/16 or an address")
        })?;
        // 10.1.2.3/16 may be meant as the one or the other.
        match network.trunc() == network {
            true => Ok(Self(network)),
            false => Err(format!(
                "{text:?} has more than the network: {} is that",
                network.trunc()
            )),
        }
    }
}

impl<'de> Deserialize<'de> for Network {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_are_whole_and_know_their_addresses() {
        for (network, inside, outside) in [
            ("10.1.0.0/16", "10.1.2.3", "10.2.0.1"),
            ("10.1.0.0/16", "::ffff:10.1.2.3", "::ffff:10.2.2.3"),
            ("192.0.2.7", "192.0.2.7", "192.0.2.8"),
            ("2001:db8::/32", "2001:db8::1", "2001:db9::1"),
            ("::1", "::1", "127.0.0.1"),
        ] {
            let network: Network = network.parse().unwrap();
            assert!(network.contains(inside.parse().unwrap()), "{network}");
            assert!(!network.contains(outside.parse().unwrap()), "{network}");
        }
        for (wrong, words) in [
            ("10.1.2.3/16", "10.1.0.0/16 is that"),
            ("example.org", "no network"),
            ("10.0.0.0/33", "no network"),
            ("", "no network"),
        ] {
            let said = wrong.parse::<Network>().unwrap_err();
            assert!(said.contains(words), "{said}");
        }
    }
}
