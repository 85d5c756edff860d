//! Which certificates of servers are trusted.

/// Which certificates of a server are trusted. By default: those that the host's own list of
/// authorities vouches for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Trust {
    /// Certificates of further authorities, as PEM.
    pub authorities: Option<Vec<u8>>,
    /// Any certificate at all, of anybody: for tests, and servers that cannot be helped.
    pub anybody: bool,
}
