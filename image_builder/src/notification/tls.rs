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

/// What a library says of a failed handshake, down to its cause.
pub(super) fn cause(error: &(dyn std::error::Error + 'static)) -> String {
    let mut words = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        // A message often ends with its cause's.
        let cause = error.to_string();
        if !words.contains(&cause) {
            words = format!("{words}: {cause}");
        }
        source = error.source();
    }
    words
}
