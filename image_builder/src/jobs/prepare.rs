//! From a spec to a request that another machine can build.

use jiff::Timestamp;

use super::{JobRequest, Payload, Priority, untrusted};
use crate::error::{ErrorKind, StageError};
use crate::kickstart::{KickstartError, Reader, flattened_config};
use crate::plan::title;
use crate::spec::{Arch, BuildSpec, SpecError, Trust};

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
}

impl StageError for PrepareError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Spec(error) => error.kind(),
            Self::Kickstart(error) => error.kind(),
            Self::Untrusted(_) => ErrorKind::Usage,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Spec(error) => error.hint(),
            Self::Kickstart(error) => error.hint(),
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
}
