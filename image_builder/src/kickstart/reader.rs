//! From a file, a URL or a text to a [`Kickstart`] whose directives are followed.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use url::Url;

use super::document::{Include, Kickstart, Line};
use super::error::{KickstartError, Unreadable};
use super::fetch::Fetch;
use super::parser::{Parser, numbered, without_mark};
use super::place::{Origin, Place, Source};
use crate::internal::Public;
use crate::network::Network;
use crate::spec::{Location, Trust};

/// How much may be read for one kickstart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of one text.
    pub each: u64,
    /// Bytes of all texts together, one that is included twice counted twice.
    pub total: u64,
    /// How many texts are included.
    pub texts: usize,
    /// How deep texts include each other.
    pub depth: usize,
    /// How long all of it may take.
    pub time: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            each: 8 * 1024 * 1024,
            total: 32 * 1024 * 1024,
            texts: 256,
            depth: 16,
            time: Duration::from_secs(120),
        }
    }
}

/// Reads kickstarts and follows `%include` and `%ksappend`.
///
/// What a text may include depends on where it comes from:
///
/// | included by | files of this machine | URLs |
/// |---|---|---|
/// | a local file | yes, relative ones beside it | yes |
/// | a URL | no | yes, relative ones beside it |
/// | a text that was handed over | no | yes |
///
/// With [`Trust::Remote`] nothing local is read at all, and no internal address: neither by
/// number, nor behind a name, nor by way of a redirect.
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use image_builder::kickstart::{Reader, Source};
/// use image_builder::spec::Trust;
///
/// let source = Source::File("fedora-live-kde.ks".into());
/// let kickstart = Reader::new(Trust::Local).flatten(&source).await?;
/// let settings = kickstart.settings()?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Reader {
    trust: Trust,
    folders: Vec<PathBuf>,
    fetch: Fetch,
    limits: Limits,
}

impl Reader {
    /// A reader that trusts the first text's author so far.
    pub fn new(trust: Trust) -> Self {
        Self {
            trust,
            folders: Vec::new(),
            fetch: Fetch::new(trust),
            limits: Limits::default(),
        }
    }

    /// Looks for a relative file in `folder`, too, when it is not beside the file that includes
    /// it.
    #[must_use]
    pub fn with_folder(mut self, folder: impl Into<PathBuf>) -> Self {
        self.folders.push(folder.into());
        self
    }

    /// Goes through an HTTP proxy. With [`Trust::Remote`] names are then resolved by the proxy,
    /// which has to keep requests from internal addresses itself.
    #[must_use]
    pub fn with_proxy(mut self, proxy: impl Into<String>) -> Self {
        self.fetch.proxy = Some(proxy.into());
        self
    }

    /// With [`Trust::Remote`], fetches from these internal networks all the same.
    #[must_use]
    pub fn with_networks(mut self, networks: &[Network]) -> Self {
        self.fetch.public = Public(networks.into());
        self
    }

    /// Other limits.
    #[must_use]
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Reads a kickstart and puts every included text in the place of its directive, as
    /// `ksflatten` does, but with comments and all else as it was written.
    ///
    /// # Errors
    ///
    /// A text that cannot be had, with the way to it; every mistake in those that can.
    pub async fn flatten(&self, source: &Source) -> Result<Kickstart, KickstartError> {
        self.in_time(source, Reading::new(self).flatten(source, None))
            .await
    }

    /// [`flatten`](Self::flatten) for a text at hand; `name` stands for it in messages.
    ///
    /// # Errors
    ///
    /// As for `flatten`.
    pub async fn flatten_text(&self, text: &str, name: &str) -> Result<Kickstart, KickstartError> {
        let source = Source::Text(name.to_owned());
        self.in_time(&source, Reading::new(self).flatten(&source, Some(text)))
            .await
    }

    /// Reads a kickstart alone: its directives are kept.
    ///
    /// # Errors
    ///
    /// A text that cannot be had, or every mistake in it.
    pub async fn read(&self, source: &Source) -> Result<Kickstart, KickstartError> {
        let read = async {
            let text = Reading::new(self).text(source, None).await?;
            let origin = Arc::new(Origin {
                source: source.clone(),
                included_at: None,
            });
            Kickstart::parse_from(&text, origin)
        };
        self.in_time(source, read).await
    }

    async fn in_time(
        &self,
        source: &Source,
        work: impl Future<Output = Result<Kickstart, KickstartError>>,
    ) -> Result<Kickstart, KickstartError> {
        match tokio::time::timeout(self.limits.time, work).await {
            Ok(done) => done,
            Err(_) => Err(KickstartError::Unreadable {
                name: source.to_string(),
                included_at: None,
                problem: Unreadable::TimedOut {
                    seconds: self.limits.time.as_secs(),
                },
            }),
        }
    }
}

impl Source {
    /// The source of a location, a relative path counted from `base`.
    pub fn of_location(location: &Location, base: &Path) -> Self {
        match (location.url(), location.path()) {
            (Some(url), _) => Self::Url(url),
            (None, Some(path)) => Self::File(base.join(path)),
            (None, None) => Self::File(base.join(location.as_written())),
        }
    }

    /// The same for the same text, however it is named.
    fn identity(&self) -> Self {
        match self {
            Self::File(path) => {
                Self::File(std::fs::canonicalize(path).unwrap_or_else(|_| path.clone()))
            }
            _ => self.clone(),
        }
    }
}

/// A text that is being read, and what is left of it.
struct Open {
    origin: Arc<Origin>,
    identity: Source,
    lines: std::vec::IntoIter<Line>,
}

impl Open {
    fn new(origin: Origin, text: &str, identity: Source) -> Self {
        let origin = Arc::new(origin);
        let mut lines: Vec<Line> = numbered(text, &origin).collect();
        // What follows an included text begins on a line of its own.
        if origin.included_at.is_some()
            && let Some(last) = lines.last_mut()
            && !last.text.ends_with(['\n', '\r'])
        {
            last.text.push('\n');
        }
        Self {
            origin,
            identity,
            lines: lines.into_iter(),
        }
    }
}

/// One reading: what was read so far.
struct Reading<'a> {
    reader: &'a Reader,
    known: HashMap<Source, Arc<str>>,
    texts: usize,
    bytes: u64,
}

impl<'a> Reading<'a> {
    fn new(reader: &'a Reader) -> Self {
        Self {
            reader,
            known: HashMap::new(),
            texts: 0,
            bytes: 0,
        }
    }

    async fn flatten(
        mut self,
        source: &Source,
        text: Option<&str>,
    ) -> Result<Kickstart, KickstartError> {
        let text = match text {
            Some(text) => self.count(Arc::from(text), source, None)?,
            None => self.text(source, None).await?,
        };
        let (byte_order_mark, text) = without_mark(&text);
        let mut parser = Parser::new(byte_order_mark);
        let origin = Origin {
            source: source.clone(),
            included_at: None,
        };
        let mut open = vec![Open::new(origin, text, source.identity())];
        while let Some(current) = open.last_mut() {
            let Some(line) = current.lines.next() else {
                parser.end_of_text(&current.origin);
                open.pop();
                continue;
            };
            if let Some(include) = parser.push(line) {
                let included = self.include(&include, &open).await?;
                open.push(included);
            }
        }
        parser.finish()
    }

    /// The text that a directive names.
    async fn include(&mut self, include: &Include, open: &[Open]) -> Result<Open, KickstartError> {
        let limits = self.reader.limits;
        let place = include.place();
        let failed = |name: String, problem| KickstartError::Unreadable {
            name,
            included_at: Some(place.clone()),
            problem,
        };
        let source = self
            .resolve(include.target(), &place.origin.source)
            .map_err(|problem| {
                let name = crate::redact::passwords(include.target()).into_owned();
                failed(name, problem)
            })?;
        let identity = source.identity();
        let refused = if open.iter().any(|text| text.identity == identity) {
            Some(Unreadable::Cycle)
        } else if open.len() > limits.depth {
            Some(Unreadable::TooDeep {
                limit: limits.depth,
            })
        } else if self.texts >= limits.texts {
            Some(Unreadable::TooMany {
                limit: limits.texts,
            })
        } else {
            None
        };
        if let Some(problem) = refused {
            return Err(failed(source.to_string(), problem));
        }
        self.texts += 1;
        let text = match self.known.get(&identity) {
            Some(text) => self.count(Arc::clone(text), &source, Some(place))?,
            None => self.text(&source, Some(place)).await?,
        };
        self.known.insert(identity.clone(), Arc::clone(&text));
        let origin = Origin {
            source,
            included_at: Some(place.clone()),
        };
        Ok(Open::new(origin, without_mark(&text).1, identity))
    }

    /// What a directive in `by` means by `target`.
    fn resolve(&self, target: &str, by: &Source) -> Result<Source, Unreadable> {
        let location: Location = target.parse().map_err(Unreadable::Address)?;
        if let Some(url) = location.url() {
            return Ok(Source::Url(url));
        }
        let path = location.path().unwrap_or_else(|| PathBuf::from(target));
        match by {
            Source::File(file) if self.reader.trust == Trust::Local => {
                let beside = file.parent().unwrap_or(Path::new("")).join(&path);
                let others = self.reader.folders.iter().map(|folder| folder.join(&path));
                let found = std::iter::once(beside.clone())
                    .chain(others)
                    .find(|path| path.exists());
                Ok(Source::File(found.unwrap_or(beside)))
            }
            Source::Url(url) if path.is_relative() && !target.contains("://") => {
                beside(url, target).map(Source::Url)
            }
            _ => Err(Unreadable::Local),
        }
    }

    async fn text(
        &mut self,
        source: &Source,
        included_at: Option<&Place>,
    ) -> Result<Arc<str>, KickstartError> {
        let text = self.reader.fetch.text(source, self.reader.limits.each);
        let text = text.await.map_err(|problem| KickstartError::Unreadable {
            name: source.to_string(),
            included_at: included_at.cloned(),
            problem,
        })?;
        self.count(Arc::from(text), source, included_at)
    }

    fn count(
        &mut self,
        text: Arc<str>,
        source: &Source,
        included_at: Option<&Place>,
    ) -> Result<Arc<str>, KickstartError> {
        self.bytes += text.len() as u64;
        let Limits { each, total, .. } = self.reader.limits;
        let problem = if text.len() as u64 > each {
            Unreadable::TooLarge { limit: each }
        } else if self.bytes > total {
            Unreadable::TooLargeInAll { limit: total }
        } else if super::text::is_html(&text) {
            Unreadable::Html
        } else {
            return Ok(text);
        };
        Err(KickstartError::Unreadable {
            name: source.to_string(),
            included_at: included_at.cloned(),
            problem,
        })
    }
}

/// The URL of a text beside another one.
fn beside(url: &Url, target: &str) -> Result<Url, Unreadable> {
    let joined = url.join(target).ok();
    // The same server by the same way, whatever the target looks like.
    joined
        .filter(|joined| joined.origin() == url.origin() && joined.scheme() == url.scheme())
        .ok_or(Unreadable::Local)
}
