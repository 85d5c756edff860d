//! QEMU's machine protocol: one JSON object a line over a unix socket.
//!
//! <https://www.qemu.org/docs/master/interop/qmp-spec.html>

use std::collections::VecDeque;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};

/// How long an answer may take. Under translation on a busy host a screendump takes its time.
const ANSWER_LIMIT: Duration = Duration::from_secs(60);

/// Why a command has no result.
#[derive(Debug, thiserror::Error)]
pub(super) enum QmpError {
    #[error("QEMU closed its machine protocol")]
    Closed,
    #[error("QEMU's machine protocol: {0}")]
    Io(#[from] std::io::Error),
    #[error("QEMU's machine protocol: not JSON: {0}")]
    Json(#[from] serde_json::Error),
    #[error("QEMU did not answer `{command}` within {} s", ANSWER_LIMIT.as_secs())]
    TimedOut { command: &'static str },
    #[error("QEMU refused `{command}`: {reason}")]
    Refused {
        command: &'static str,
        reason: String,
    },
}

/// The guest stopped for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shutdown {
    PoweredOff,
    Reset,
    /// By us or by a signal.
    Host,
}

/// A connection past its greeting.
#[derive(Debug)]
pub(super) struct Qmp {
    lines: Lines<BufReader<OwnedReadHalf>>,
    writer: OwnedWriteHalf,
    shutdowns: VecDeque<Shutdown>,
}

impl Qmp {
    /// Reads the greeting and leaves the negotiation.
    pub(super) async fn negotiate(stream: UnixStream) -> Result<Self, QmpError> {
        let (reader, writer) = stream.into_split();
        let mut qmp = Self {
            lines: BufReader::new(reader).lines(),
            writer,
            shutdowns: VecDeque::new(),
        };
        qmp.execute("qmp_capabilities", json!({})).await?;
        Ok(qmp)
    }

    /// Runs a command to its answer; events that come before it are kept.
    pub(super) async fn execute(
        &mut self,
        command: &'static str,
        arguments: Value,
    ) -> Result<Value, QmpError> {
        self.send(command, arguments).await?;
        let answer = async {
            loop {
                let message = self.message().await?;
                if let Some(result) = message.get("return") {
                    return Ok(result.clone());
                }
                if let Some(error) = message.get("error") {
                    let reason = error["desc"].as_str().unwrap_or("no reason").to_owned();
                    return Err(QmpError::Refused { command, reason });
                }
                self.shutdowns.extend(shutdown(&message));
            }
        };
        tokio::time::timeout(ANSWER_LIMIT, answer)
            .await
            .unwrap_or(Err(QmpError::TimedOut { command }))
    }

    /// Waits until the guest stops for good. Cancel-safe.
    pub(super) async fn shutdown(&mut self) -> Result<Shutdown, QmpError> {
        loop {
            if let Some(event) = self.shutdowns.pop_front() {
                return Ok(event);
            }
            let message = self.message().await?;
            self.shutdowns.extend(shutdown(&message));
        }
    }

    /// Ends QEMU; it may go before it answers.
    ///
    /// The connection stays open until QEMU closes it: a command that is followed by a hang-up is
    /// lost when QEMU sees the hang-up first.
    pub(super) async fn quit(&mut self) {
        const LIMIT: Duration = Duration::from_secs(15);
        // A QEMU that is gone already has done what it was asked for.
        if self.send("quit", json!({})).await.is_ok() {
            let closed = async { while self.message().await.is_ok() {} };
            let _ = tokio::time::timeout(LIMIT, closed).await;
        }
    }

    async fn send(&mut self, command: &str, arguments: Value) -> Result<(), QmpError> {
        let mut line = json!({ "execute": command, "arguments": arguments }).to_string();
        line.push('\n');
        Ok(self.writer.write_all(line.as_bytes()).await?)
    }

    async fn message(&mut self) -> Result<Value, QmpError> {
        let line = self.lines.next_line().await?.ok_or(QmpError::Closed)?;
        Ok(serde_json::from_str(&line)?)
    }
}

fn shutdown(message: &Value) -> Option<Shutdown> {
    if message["event"] != "SHUTDOWN" {
        return None;
    }
    Some(match message["data"]["reason"].as_str() {
        Some("guest-reset") => Shutdown::Reset,
        Some("host-qmp-quit" | "host-signal" | "host-ui" | "host-error") => Shutdown::Host,
        _ => Shutdown::PoweredOff,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A QEMU that has been recorded: greeting, then one batch of lines for each command.
    async fn recorded(answers: &[&str]) -> Result<Qmp, QmpError> {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let answers: Vec<String> = answers.iter().map(|&a| format!("{a}\n")).collect();
        tokio::spawn(async move {
            let (reader, mut writer) = theirs.into_split();
            let greeting = b"{\"QMP\": {\"version\": {}, \"capabilities\": [\"oob\"]}}\n";
            writer.write_all(greeting).await.unwrap();
            let mut commands = BufReader::new(reader).lines();
            for answer in answers {
                commands.next_line().await.unwrap();
                writer.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        Qmp::negotiate(ours).await
    }

    const EVENT: &str = r#"{"timestamp": {"seconds": 1, "microseconds": 2}, "event": "SHUTDOWN", "data": {"guest": true, "reason": "guest-reset"}}"#;

    #[tokio::test]
    async fn an_event_before_the_answer_is_kept() {
        let second = format!("{EVENT}\n{{\"return\": {{\"status\": \"shutdown\"}}}}");
        let mut qmp = recorded(&[r#"{"return": {}}"#, &second]).await.unwrap();
        let status = qmp.execute("query-status", json!({})).await.unwrap();
        assert_eq!(status["status"], "shutdown");
        assert_eq!(qmp.shutdown().await.unwrap(), Shutdown::Reset);
        assert!(matches!(qmp.shutdown().await, Err(QmpError::Closed)));
    }

    #[tokio::test]
    async fn a_refusal_says_why() {
        let refusal =
            r#"{"error": {"class": "GenericError", "desc": "Parameter 'format' is unexpected"}}"#;
        let mut qmp = recorded(&[r#"{"return": {}}"#, refusal]).await.unwrap();
        let error = qmp.execute("screendump", json!({})).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "QEMU refused `screendump`: Parameter 'format' is unexpected"
        );
    }
}
