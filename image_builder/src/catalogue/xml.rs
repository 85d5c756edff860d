//! XML as it comes, with limits on everything that could grow in memory.

use std::io::{self, BufRead, Read};

use quick_xml::escape::resolve_xml_entity;
use quick_xml::events::{BytesStart, Event};
use quick_xml::{Reader, XmlVersion};

use super::error::Fault;

/// How deep elements stand in each other at most; Fedora's are 6 deep.
const DEEPEST: usize = 32;

/// Bytes that a tag, or a text between two tags, has at most.
const LONGEST: u64 = 256 * 1024;

/// A piece of XML.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// An element begins: [`Xml::name`] says which. An empty one ends at once.
    Start,
    /// Text within an element, or a part of it; [`Xml::text`] has the whole.
    Text,
    /// An element ends; so many are open still.
    End(usize),
    /// What means nothing here.
    Other,
}

/// Reads one document.
pub(super) struct Xml<R: BufRead> {
    reader: Reader<Metered<R>>,
    buffer: Vec<u8>,
    /// What stands in the last tag that began an element, and how much of it is its name.
    tag: (String, usize),
    /// The last text.
    piece: String,
    root: &'static str,
    depth: usize,
    begun: bool,
}

impl<R: BufRead> Xml<R> {
    /// A document with this root element.
    pub(super) fn new(inner: R, root: &'static str) -> Self {
        let mut reader = Reader::from_reader(Metered { inner, token: 0 });
        reader.config_mut().expand_empty_elements = true;
        Self {
            reader,
            buffer: Vec::new(),
            tag: (String::new(), 0),
            piece: String::new(),
            root,
            depth: 0,
            begun: false,
        }
    }

    /// The name of the element that has begun last, without that of a name space.
    pub(super) fn name(&self) -> &str {
        let (tag, length) = &self.tag;
        let name = &tag[..*length];
        name.rsplit(':').next().unwrap_or(name)
    }

    /// An attribute of that element; none where it is not well-formed.
    pub(super) fn attribute(&self, name: &str) -> Option<String> {
        let (tag, length) = &self.tag;
        let start = BytesStart::from_content(tag.as_str(), *length);
        let attribute = start.try_get_attribute(name).ok()??;
        let value = attribute.normalized_value(XmlVersion::Implicit1_0).ok()?;
        Some(value.into_owned())
    }

    /// How many elements are open; that which has just begun counts.
    pub(super) fn depth(&self) -> usize {
        self.depth
    }

    /// The text of the element that has just begun, up to its end: the first `most` bytes of it, without the blanks
    /// around it. Texts of elements in it are not its own.
    ///
    /// # Errors
    ///
    /// As for [`next`](Self::next).
    pub(super) fn text(&mut self, most: usize) -> Result<String, Fault> {
        let (depth, mut own) = (self.depth, String::new());
        loop {
            match self.next()? {
                Some(Part::Text) if self.depth == depth && own.len() < most => {
                    own.push_str(match own.is_empty() {
                        true => self.piece.trim_start(),
                        false => &self.piece,
                    });
                    own.truncate(own.floor_char_boundary(most));
                }
                Some(Part::End(left)) if left < depth => break,
                None => break,
                Some(_) => {}
            }
        }
        own.truncate(own.trim_end().len());
        Ok(own)
    }

    /// The next piece; `None` behind the end of the root element.
    ///
    /// # Errors
    ///
    /// What is wrong with the document, or with where it comes from.
    pub(super) fn next(&mut self) -> Result<Option<Part>, Fault> {
        self.buffer.clear();
        self.reader.get_mut().token = 0;
        let byte = self.reader.buffer_position();
        let fault = |problem: String| Fault::Xml { byte, problem };
        let event = match self.reader.read_event_into(&mut self.buffer) {
            Ok(event) => event,
            Err(error) => return Err(failed(&error, byte)),
        };
        Ok(Some(match event {
            Event::Start(start) => {
                let (tag, length) = &mut self.tag;
                tag.clear();
                tag.push_str(&start);
                *length = start.name().into_inner().len();
                if self.depth == 0 && (self.begun || self.name() != self.root) {
                    let name: String = self.name().chars().take(40).collect();
                    let root = self.root;
                    return Err(fault(format!("expected <{root}> alone, not <{name}>")));
                }
                self.begun = true;
                self.depth += 1;
                if self.depth > DEEPEST {
                    return Err(fault(format!("more than {DEEPEST} elements in each other")));
                }
                Part::Start
            }
            // As the reader was told to, an empty one begins and ends.
            Event::Empty(_) => Part::Other,
            Event::End(_) => {
                self.depth -= 1;
                Part::End(self.depth)
            }
            Event::Text(text) => text_of(&mut self.piece, &text),
            Event::CData(text) => text_of(&mut self.piece, &text),
            Event::GeneralRef(name) => {
                let character = name.resolve_char_ref();
                let character = character.map_err(|error| fault(error.to_string()))?;
                match (character, resolve_xml_entity(&name.into_inner())) {
                    (Some(character), _) => {
                        text_of(&mut self.piece, character.encode_utf8(&mut [0; 4]))
                    }
                    (None, Some(text)) => text_of(&mut self.piece, text),
                    // Those that a document declares by itself are not looked at: they can grow without an end.
                    (None, None) => return Err(fault("an entity that is not known".to_owned())),
                }
            }
            Event::Eof if !self.begun => {
                return Err(fault(format!("there is no <{}>", self.root)));
            }
            Event::Eof if self.depth > 0 => {
                return Err(fault("it ends in the middle".to_owned()));
            }
            Event::Eof => return Ok(None),
            Event::Decl(_) | Event::PI(_) | Event::Comment(_) | Event::DocType(_) => Part::Other,
        }))
    }
}

fn text_of(piece: &mut String, text: &str) -> Part {
    piece.clear();
    piece.push_str(text);
    Part::Text
}

fn failed(error: &quick_xml::Error, byte: u64) -> Fault {
    match error {
        quick_xml::Error::Io(error) => Fault::of_io(error),
        other => Fault::Xml {
            byte,
            problem: other.to_string().chars().take(200).collect(),
        },
    }
}

impl Fault {
    /// What a reader has said by an error of the system's.
    pub(super) fn of_io(error: &io::Error) -> Self {
        let own = error.get_ref().and_then(|error| error.downcast_ref());
        own.cloned().unwrap_or_else(|| Self::Io(error.to_string()))
    }

    pub(super) fn into_io(self) -> io::Error {
        io::Error::other(self)
    }
}

/// What is read is counted: a token of XML is in memory as long as it is.
struct Metered<R> {
    inner: R,
    token: u64,
}

impl<R: BufRead> Read for Metered<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let filled = self.fill_buf()?;
        let count = filled.len().min(into.len());
        into[..count].copy_from_slice(&filled[..count]);
        self.consume(count);
        Ok(count)
    }
}

impl<R: BufRead> BufRead for Metered<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        let left = (LONGEST + 1).saturating_sub(self.token);
        if left == 0 {
            let what = "bytes in one tag or text";
            return Err(Fault::TooLarge {
                limit: LONGEST,
                what,
            }
            .into_io());
        }
        let filled = self.inner.fill_buf()?;
        let most = usize::try_from(left).map_or(filled.len(), |left| left.min(filled.len()));
        Ok(&filled[..most])
    }

    fn consume(&mut self, count: usize) {
        self.inner.consume(count);
        self.token += count as u64;
    }
}
