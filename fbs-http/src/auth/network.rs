//! Where a request comes from.

use std::net::IpAddr;

use axum::http::HeaderMap;
use image_builder::accounts::Role;
use image_builder::network::Network;
use image_builder::service_config::Networks;

/// What is said about addresses.
#[derive(Debug, Clone, Default)]
pub(crate) struct Origins {
    /// Those that are believed about where a request comes from.
    proxies: Vec<Network>,
    /// What may be done from where without an account.
    open: Networks,
}

impl Origins {
    pub(crate) fn new(proxies: Vec<Network>, open: Networks) -> Self {
        Self { proxies, open }
    }

    /// Who has sent a request: who is connected, or, if that is a proxy of ours, the last in
    /// [`X-Forwarded-For`](https://developer.mozilla.org/en-US/docs/Web/HTTP/Reference/Headers/X-Forwarded-For) that is
    /// none. What stands before that anybody may have written.
    pub(crate) fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let peer = peer.to_canonical();
        let forwarded = headers.get_all("x-forwarded-for").iter();
        let forwarded = forwarded.filter_map(|value| value.to_str().ok());
        let hops: Vec<&str> = forwarded.flat_map(|value| value.split(',')).collect();
        let mut client = peer;
        for hop in hops.into_iter().rev() {
            if !self.is_proxy(client) {
                break;
            }
            // What is no address was not written by a proxy of ours.
            let Ok(address) = hop.trim().parse::<IpAddr>() else {
                break;
            };
            client = address.to_canonical();
        }
        client
    }

    /// What somebody there may do without an account; the most of several networks.
    pub(crate) fn role(&self, address: IpAddr) -> Option<Role> {
        let of = self.open.iter();
        of.filter(|(network, _)| network.contains(address))
            .map(|(_, role)| *role)
            .max()
    }

    /// Whether what somebody says of a request is believed.
    pub(crate) fn believes(&self, peer: IpAddr) -> bool {
        self.is_proxy(peer.to_canonical())
    }

    fn is_proxy(&self, address: IpAddr) -> bool {
        self.proxies.iter().any(|proxy| proxy.contains(address))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_own_proxies_are_believed() {
        let networks = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect();
        let origins = Origins::new(networks(&["10.0.0.1", "10.0.0.2", "::1"]), Networks::new());
        for (peer, forwarded, client) in [
            ("192.0.2.1", &[][..], "192.0.2.1"),
            // Somebody who is no proxy says that they are somebody else.
            ("192.0.2.1", &["127.0.0.1"], "192.0.2.1"),
            ("10.0.0.1", &["192.0.2.9"], "192.0.2.9"),
            ("::ffff:10.0.0.1", &["192.0.2.9"], "192.0.2.9"),
            ("10.0.0.1", &["127.0.0.1, 192.0.2.9, 10.0.0.2"], "192.0.2.9"),
            ("10.0.0.1", &["127.0.0.1", "192.0.2.9"], "192.0.2.9"),
            ("10.0.0.1", &[], "10.0.0.1"),
            ("10.0.0.1", &["127.0.0.1, unknown"], "10.0.0.1"),
            ("::1", &["2001:db8::7"], "2001:db8::7"),
        ] {
            let mut headers = HeaderMap::new();
            for value in forwarded {
                headers.append("x-forwarded-for", value.parse().unwrap());
            }
            let found = origins.client(peer.parse().unwrap(), &headers);
            assert_eq!(
                found,
                client.parse::<IpAddr>().unwrap(),
                "{peer} {forwarded:?}"
            );
        }
    }

    #[test]
    fn the_most_of_several_networks_holds() {
        let open = [("10.0.0.0/8", Role::View), ("10.1.0.0/16", Role::Submit)];
        let open = open.map(|(network, role)| (network.parse().unwrap(), role));
        let origins = Origins::new(Vec::new(), open.into());
        for (address, role) in [
            ("10.2.0.1", Some(Role::View)),
            ("10.1.0.1", Some(Role::Submit)),
            ("127.0.0.1", None),
        ] {
            assert_eq!(origins.role(address.parse().unwrap()), role);
        }
    }
}
