//! What goes wrong, on demand.

use std::time::Duration;

/// A way to answer badly.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// An HTTP status and a line of text, such as 503.
    Status(u16),
    /// The answer of a real hub with this body in place of its own.
    Body(Vec<u8>),
    /// A page for people, with status 200.
    Html,
    /// A redirection to this address.
    Moved(String),
    /// No answer, ever.
    Hang,
    /// The whole answer, this many bytes a second.
    Slow(usize),
    /// The first bytes of the answer, then the connection is gone.
    Cut(usize),
    /// The answer stops there, and says that it is whole.
    Short(usize),
    /// One byte in the middle of the answer is another.
    Corrupt,
    /// The answer after that time.
    Late(Duration),
}

/// How often a fault happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Times {
    /// From now on.
    Always,
    /// At the next requests, so many.
    Next(usize),
}

/// The faults that are still to happen, each at requests whose path contains a text.
#[derive(Debug, Default)]
pub(crate) struct Faults(Vec<(String, Fault, Times)>);

impl Faults {
    pub(crate) fn add(&mut self, path: &str, fault: Fault, times: Times) {
        self.0.push((path.to_owned(), fault, times));
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// The fault for a request: the first that was asked for and is not used up.
    pub(crate) fn take(&mut self, path: &str) -> Option<Fault> {
        for (of, fault, times) in &mut self.0 {
            if !path.contains(of.as_str()) {
                continue;
            }
            match times {
                Times::Always => return Some(fault.clone()),
                Times::Next(0) => {}
                Times::Next(left) => {
                    *left -= 1;
                    return Some(fault.clone());
                }
            }
        }
        None
    }
}
