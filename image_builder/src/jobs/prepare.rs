//! From a spec to a request that another machine can build.

use jiff::Timestamp;

use super::{JobRequest, Payload, Priority, untrusted};
use crate::error::{ErrorKind, StageError};
use crate::kickstart::{Kickstart, KickstartError, Reader, config, flattened_config};
use crate::plan::title;
use crate::redact;
use crate::spec::{Arch, BuildSpec, ImageType, SpecError, Trust};

/// Why a spec cannot be sent.
#[derive(Debug, thiserror::Error)]
pub enum PrepareError {
    /// It names what only this machine has.
    #[error(transparent)]
    Spec(#[from] SpecError),
    /// Its kickstart cannot be read.
    #[error(transparent)]
    Kickstart(#[from] KickstartError),
    /// Its kickstart says what a worker does not do for others.
    #[error("the kickstart cannot be sent to a worker:{}", .0.iter().map(|line| format!("\n  {line}")).collect::<String>())]
    Untrusted(Vec<String>),
    /// It names a kickstart, and does not bring it along.
    #[error("the kickstart {0} is not read here")]
    Elsewhere(String),
    /// It comes with a kickstart that nobody would use.
    #[error("a boot image is made without a kickstart")]
    Unused,
}

impl StageError for PrepareError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Spec(error) => error.kind(),
            Self::Kickstart(error) => error.kind(),
            Self::Untrusted(_) | Self::Elsewhere(_) | Self::Unused => ErrorKind::Usage,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Spec(error) => error.hint(),
            Self::Kickstart(error) => error.hint(),
            Self::Elsewhere(_) => Some("send its text along".to_owned()),
            Self::Unused => Some("leave it out, or ask for a live image or a DVD".to_owned()),
            Self::Untrusted(_) => None,
        }
    }
}

impl JobRequest {
    /// What asks for the image of a spec on behalf of `requester`. The kickstart is read here, with all that it
    /// includes: of this machine only its user may do so.
    ///
    /// # Errors
    ///
    /// [`PrepareError`]: above all paths of this machine, which mean nothing on another.
    pub async fn prepare(
        spec: &BuildSpec,
        reader: &Reader,
        requester: &str,
    ) -> Result<Self, PrepareError> {
        let kickstart = flattened_config(spec, reader).await?;
        Self::with_kickstart(spec, kickstart, requester)
    }

    /// What asks for the image of a spec that was sent here, with the text of its kickstart. Nothing of this machine
    /// or of the network is read.
    ///
    /// # Errors
    ///
    /// [`PrepareError`]: also a `config` whose text was not sent.
    pub fn prepare_sent(
        spec: &BuildSpec,
        kickstart: Option<&str>,
        requester: &str,
    ) -> Result<Self, PrepareError> {
        let kickstart = match kickstart {
            Some(_) if spec.image_type() == ImageType::Boot => return Err(PrepareError::Unused),
            Some(text) => Some(Kickstart::parse(text, "kickstart")?),
            None => match config(spec) {
                Some(location) => {
                    let location = location.as_written();
                    return Err(PrepareError::Elsewhere(
                        redact::passwords(location).into_owned(),
                    ));
                }
                None => None,
            },
        };
        Self::with_kickstart(spec, kickstart, requester)
    }

    fn with_kickstart(
        spec: &BuildSpec,
        kickstart: Option<Kickstart>,
        requester: &str,
    ) -> Result<Self, PrepareError> {
        let untrusted = kickstart.as_ref().map(untrusted).unwrap_or_default();
        if !untrusted.is_empty() {
            return Err(PrepareError::Untrusted(untrusted));
        }
        let mut sent = spec.clone();
        // It travels as text.
        if let Some(live) = &mut sent.live {
            live.config = None;
        }
        if let Some(dvd) = &mut sent.dvd {
            dvd.config = None;
        }
        sent.check_trust(Trust::Remote)?;
        let arch = sent.common.arch.or(Arch::host()).unwrap_or(Arch::X86_64);
        sent.common.arch = Some(arch);
        Ok(Self {
            title: title(&sent, arch),
            image_type: sent.image_type().to_string(),
            arch: arch.to_string(),
            release: sent.release().to_string(),
            requester: requester.to_owned(),
            submitted: Timestamp::now(),
            priority: Priority::default(),
            deadline: None,
            retry_of: None,
            private: false,
            payload: Some(Payload {
                spec: sent.to_ini(),
                kickstart: kickstart.map(|kickstart| kickstart.to_string()),
            }),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::Format;

    async fn prepared(text: &str, base: &std::path::Path) -> Result<JobRequest, PrepareError> {
        let mut spec = BuildSpec::parse(text, Format::Ini, "a.conf").unwrap();
        spec.base_dir = Some(base.to_owned());
        JobRequest::prepare(&spec, &Reader::new(Trust::Local), "me@here").await
    }

    #[tokio::test]
    async fn the_kickstart_travels_and_paths_do_not() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("a.ks"), "%include b.ks\n").unwrap();
        std::fs::write(dir.path().join("b.ks"), "lang C\n").unwrap();
        let text =
            "[DEFAULT]\ntype=live\nrelease=43\narch=x86_64\n[live]\nconfig=a.ks\npackages=vim\n";
        let request = prepared(text, dir.path()).await.unwrap();
        assert_eq!(request.title, "live image of Fedora 43 (x86_64)");
        assert_eq!(request.line().to_string(), "x86_64/43");
        let payload = request.payload.unwrap();
        assert_eq!(payload.kickstart.as_deref(), Some("lang C\n"));
        assert!(!payload.spec.contains("a.ks"), "{}", payload.spec);
        let again = BuildSpec::parse(&payload.spec, Format::Ini, "sent").unwrap();
        assert_eq!(again.shared().selection().len(), 1);
        let text = "[DEFAULT]\ntype=boot\nrelease=43\nstaging=/srv/x\n";
        let error = prepared(text, dir.path()).await.unwrap_err();
        assert!(
            error.to_string().contains("staging")
                || matches!(&error, PrepareError::Spec(spec) if spec.mistakes().len() == 1),
            "{error}"
        );
    }

    fn sent(text: &str, kickstart: Option<&str>) -> Result<JobRequest, PrepareError> {
        let spec = BuildSpec::parse(text, Format::Ini, "a.conf").unwrap();
        JobRequest::prepare_sent(&spec, kickstart, "me@there")
    }

    #[test]
    fn a_kickstart_is_sent_as_text_or_not_at_all() {
        let live = "[DEFAULT]\ntype=live\nrelease=43\n[live]\nconfig=https://u:f00@host/a.ks\n";
        let request = sent(live, Some("lang C\n")).unwrap();
        let payload = request.payload.unwrap();
        assert_eq!(payload.kickstart.as_deref(), Some("lang C\n"));
        assert!(!payload.spec.contains("host"), "{}", payload.spec);
        for (text, kickstart, words) in [
            (live, None, "host/a.ks is not read here"),
            (live, Some("%include /etc/shadow\n"), "/etc/shadow"),
            (live, Some("%packages\n"), "kickstart:1"),
            (
                "[DEFAULT]\ntype=boot\nrelease=43\n",
                Some("lang C\n"),
                "without a kickstart",
            ),
        ] {
            let error = sent(text, kickstart).unwrap_err().to_string();
            assert!(error.contains(words) && !error.contains("f00"), "{error}");
        }
    }
}
