//! Addresses that only this machine's own network reaches. A text from elsewhere may not make us
//! fetch from them: <https://owasp.org/www-community/attacks/Server_Side_Request_Forgery>.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use reqwest::ClientBuilder;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::redirect::{self, Attempt, Policy};
use url::{Host, Url};

use crate::network::Network;

/// How many redirects are followed.
const REDIRECTS: usize = 10;

/// Whether an address is not one of the public internet.
fn is_internal(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_internal_v4(address),
        IpAddr::V6(address) => is_internal_v6(address),
    }
}

/// The ranges of <https://www.iana.org/assignments/iana-ipv4-special-registry> that are not
/// globally reachable, and multicast.
fn is_internal_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_multicast()
        || address.is_documentation()
        || matches!(
            (a, b, c),
            (0, ..) | (100, 64..=127, _) | (192, 0, 0) | (198, 18 | 19, _) | (240.., ..)
        )
}

/// As for IPv4: <https://www.iana.org/assignments/iana-ipv6-special-registry>; also what carries
/// an internal IPv4 address in it.
fn is_internal_v6(address: Ipv6Addr) -> bool {
    let bytes = address.octets();
    let v4 = |at: usize| Ipv4Addr::new(bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]);
    match address.segments() {
        [0, 0, 0, 0, 0, 0 | 0xffff, ..] | [0x64, 0xff9b, 0, 0, 0, 0, ..] => is_internal_v4(v4(12)),
        [0x2002, ..] => is_internal_v4(v4(2)),
        // Only 2000::/3 is global; 2001:db8::/32 and 2001::/23 in it are not.
        [0x2001, 0..=0x1ff | 0xdb8, ..] => true,
        [first, ..] => !(0x2000..=0x3fff).contains(&first),
    }
}

/// Why a name is not used.
#[derive(Debug, thiserror::Error)]
#[error("{0} is an internal address")]
pub(crate) struct InternalName(pub(crate) String);

impl InternalName {
    /// The internal address that a request failed for, if that is why it failed.
    pub(crate) fn in_cause_of(error: &reqwest::Error) -> Option<String> {
        let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
        while let Some(error) = cause {
            if let Some(Self(name)) = error.downcast_ref() {
                return Some(name.clone());
            }
            cause = error.source();
        }
        None
    }
}

/// The public internet, and the internal networks that are named.
///
/// It resolves names, but not to internal addresses. What is resolved is what is connected to, so that a name cannot
/// mean one address to a check and another to the connection.
#[derive(Debug, Clone, Default)]
pub(crate) struct Public(pub(crate) Arc<[Network]>);

impl Public {
    fn is_internal(&self, address: IpAddr) -> bool {
        is_internal(address) && !self.0.iter().any(|network| network.contains(address))
    }

    /// The internal address that a URL names by number; those behind a name are found when it is
    /// resolved.
    pub(crate) fn by_number(&self, url: &Url) -> Option<IpAddr> {
        let address = match url.host()? {
            Host::Ipv4(address) => IpAddr::V4(address),
            Host::Ipv6(address) => IpAddr::V6(address),
            Host::Domain(_) => return None,
        };
        self.is_internal(address).then_some(address)
    }

    /// Has a client connect to nothing else, by name or by way of a redirect. The first address has to be looked at
    /// with [`by_number`](Self::by_number) before it is asked. A proxy that was chosen resolves names itself.
    pub(crate) fn guard(&self, builder: ClientBuilder, is_proxied: bool) -> ClientBuilder {
        let public = self.clone();
        let builder = builder.redirect(Policy::custom(move |attempt| public.redirected(attempt)));
        match is_proxied {
            true => builder,
            // A proxy of the environment would resolve names for us.
            false => builder.no_proxy().dns_resolver(Arc::new(self.clone())),
        }
    }

    /// Follows a redirect unless it leads inside or away from HTTP.
    fn redirected(&self, attempt: Attempt<'_>) -> redirect::Action {
        if attempt.previous().len() > REDIRECTS {
            return attempt.error("there are too many redirects");
        }
        match self.by_number(attempt.url()) {
            Some(address) => attempt.error(InternalName(address.to_string())),
            None => attempt.follow(),
        }
    }

    /// The public addresses of a host.
    ///
    /// # Errors
    ///
    /// Those of the resolver; [`InternalName`] for a host with any internal address.
    pub(crate) async fn look_up(
        &self,
        host: &str,
        port: u16,
    ) -> Result<Vec<SocketAddr>, Box<dyn std::error::Error + Send + Sync>> {
        let addresses: Vec<_> = tokio::net::lookup_host((host, port)).await?.collect();
        match addresses
            .iter()
            .any(|address| self.is_internal(address.ip()))
        {
            true => Err(Box::new(InternalName(host.to_owned()))),
            false => Ok(addresses),
        }
    }
}

impl Resolve for Public {
    fn resolve(&self, name: Name) -> Resolving {
        let public = self.clone();
        Box::pin(async move {
            let addresses = public.look_up(name.as_str(), 0).await?;
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn internal_ones_are_known() {
        for address in [
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "192.0.0.8",
            "198.18.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "::1",
            "::",
            "::ffff:127.0.0.1",
            "::127.0.0.1",
            "64:ff9b::10.0.0.1",
            "2002:7f00:1::",
            "fe80::1",
            "fd00::1",
            "ff02::1",
            "2001:db8::1",
        ] {
            assert!(is_internal(address.parse().unwrap()), "{address}");
        }
        for address in ["8.8.8.8", "100.128.0.1", "2a00:1450::1", "2002:808:808::"] {
            assert!(!is_internal(address.parse().unwrap()), "{address}");
        }
    }

    #[test]
    fn numbers_are_seen_however_they_are_written() {
        for url in [
            "http://2130706433/",
            "http://0x7f.1/",
            "ftp://[::1]/a.ks",
            "http://127.1/",
        ] {
            let url = Url::parse(url).unwrap();
            let seen = Public::default().by_number(&url).is_some() || url.scheme() == "ftp";
            assert!(seen, "{url}");
        }
        let named = Url::parse("http://host/").unwrap();
        assert_eq!(Public::default().by_number(&named), None);
    }

    #[tokio::test]
    async fn a_name_that_leads_inside_is_refused() {
        let error = Public::default().look_up("localhost", 80).await;
        let error = error.unwrap_err();
        assert!(error.downcast_ref::<InternalName>().is_some(), "{error}");
        // Unless that was allowed, and nothing else with it.
        let own = ["127.0.0.0/8", "::1"].map(|network| network.parse().unwrap());
        let own = Public(own.into());
        own.look_up("localhost", 80).await.unwrap();
        let number = |url: &str| own.by_number(&Url::parse(url).unwrap());
        assert_eq!(number("http://127.0.0.1/"), None);
        assert!(number("http://10.0.0.1/").is_some());
    }
}
