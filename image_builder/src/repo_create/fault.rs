//! What can be wrong with an RPM file.

/// Why a file is not the intact RPM that it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RpmFault {
    /// The first bytes are not those of an RPM.
    #[error("it is no RPM: it begins with {begins}")]
    NotAnRpm {
        /// The first bytes, printable.
        begins: String,
    },
    /// The file ends early.
    #[error("it is cut off in {part}")]
    Truncated {
        /// Which part of the file the end is in.
        part: &'static str,
    },
    /// An index or a length in a header leads out of it.
    #[error("{part} is damaged: {problem}")]
    Header {
        /// Which header.
        part: &'static str,
        /// What is wrong with it.
        problem: String,
    },
    /// The headers are sound, and what they say is not.
    #[error("its header cannot be read: {0}")]
    Parse(String),
    /// The file has another size.
    #[error("it has {found} bytes instead of {expected}")]
    Size {
        /// As it should be.
        expected: u64,
        /// As it is.
        found: u64,
    },
    /// A digest does not match.
    #[error("its {what} is {found} instead of {expected}")]
    Digest {
        /// Which one: `header SHA-256`.
        what: &'static str,
        /// As it should be, in hex.
        expected: String,
        /// As it is, in hex.
        found: String,
    },
    /// The RPM does not carry a digest without which it cannot be checked. Every rpm since 4.14
    /// (2017) writes both.
    #[error("it carries no {0}, so it cannot be checked")]
    NoDigest(&'static str),
    /// There is no signature in it.
    #[error("it is not signed")]
    Unsigned,
    /// None of its signatures is by one of the keys.
    #[error("its signature is not accepted: {0}")]
    Signature(String),
}
