//! A text over FTP.

use std::net::SocketAddr;
use std::time::Duration;

use suppaftp::tokio::AsyncFtpStream;
use suppaftp::types::{FileType, Mode};
use suppaftp::{FtpError, Status};
use url::Url;

use super::error::Unreadable;
use super::fetch::at_most;
use crate::internal::{InternalName, Public};
use crate::percent;

/// How long a server may take to accept a connection.
const CONNECT: Duration = Duration::from_secs(10);

/// How long a text may take in all.
const ANSWER: Duration = Duration::from_secs(30);

/// The bytes behind an `ftp` URL, as anonymous unless it names a user; one more than `limit` at
/// most. Nothing is reached that is not public, if that is given.
///
/// # Errors
///
/// Why they cannot be had.
pub(super) async fn fetch(
    url: &Url,
    limit: u64,
    public: Option<&Public>,
) -> Result<Vec<u8>, Unreadable> {
    let read = read(url, limit, public);
    match tokio::time::timeout(ANSWER, read).await {
        Ok(read) => read,
        Err(_) => Err(Unreadable::Network(format!(
            "no answer within {} s",
            ANSWER.as_secs()
        ))),
    }
}

async fn read(url: &Url, limit: u64, public: Option<&Public>) -> Result<Vec<u8>, Unreadable> {
    let decoded = |text: &str| percent::decoded(text).ok_or_else(unfit);
    // Behind the slash the path counts from where the login leads: RFC 1738, section 3.2.2.
    let path = decoded(url.path().trim_start_matches('/'))?;
    let user = match url.username() {
        "" => "anonymous".to_owned(),
        user => decoded(user)?,
    };
    let password = decoded(url.password().unwrap_or("fbs@"))?;
    let mut server = AsyncFtpStream::connect_timeout(address(url, public).await?, CONNECT)
        .await
        .map_err(|error| failed(&error))?;
    // Data comes from where the commands go, whatever address the server names.
    server.set_passive_nat_workaround(true);
    server
        .login(user, password)
        .await
        .map_err(|error| failed(&error))?;
    server
        .transfer_type(FileType::Binary)
        .await
        .map_err(|error| failed(&error))?;
    server.set_mode(Mode::ExtendedPassive);
    let stream = match server.retr_as_stream(&path).await {
        Err(FtpError::UnexpectedResponse(response)) if !is_missing(response.status) => {
            // A server that does not know EPSV.
            server.set_mode(Mode::Passive);
            server.retr_as_stream(&path).await
        }
        other => other,
    };
    let mut stream = stream.map_err(|error| failed(&error))?;
    let bytes = at_most(&mut stream, limit).await;
    let bytes = bytes.map_err(|error| Unreadable::Network(error.to_string()))?;
    if bytes.len() as u64 <= limit {
        // The server says at the end whether that was all.
        stream.finish().await.map_err(|error| failed(&error))?;
    }
    Ok(bytes)
}

async fn address(url: &Url, public: Option<&Public>) -> Result<SocketAddr, Unreadable> {
    let host = url.host_str().ok_or_else(unfit)?;
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let port = url.port().unwrap_or(21);
    let found = match public {
        Some(public) => public.look_up(host, port).await,
        None => match tokio::net::lookup_host((host, port)).await {
            Ok(found) => Ok(found.collect()),
            Err(error) => Err(error.into()),
        },
    };
    let found = found.map_err(|error| match error.downcast_ref() {
        Some(InternalName(name)) => Unreadable::Internal(name.clone()),
        None => Unreadable::Network(error.to_string()),
    })?;
    let first = found.first().copied();
    first.ok_or_else(|| Unreadable::Network(format!("{host} has no address")))
}

fn is_missing(status: Status) -> bool {
    matches!(status, Status::FileUnavailable | Status::BadFilename)
}

fn failed(error: &FtpError) -> Unreadable {
    match error {
        FtpError::UnexpectedResponse(response) => {
            let body = String::from_utf8_lossy(&response.body);
            Unreadable::Refused(crate::spec::value::quoted(body.trim()))
        }
        error => Unreadable::Network(error.to_string()),
    }
}

fn unfit() -> Unreadable {
    Unreadable::Address(crate::spec::ValueError::new(
        "the address holds what FTP cannot say",
        "expected ftp://HOST/PATH",
    ))
}
