//! The client of a real hub.

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;
use url::Url;
use xmlrpc::Value;

use super::build::Build;
use super::call::Call;
use super::codec::{Fault, decode, fault_line};
use super::config::KojiConfig;
use super::error::{KojiError, line};
use super::limits::Limits;
use super::nvr::{BuildId, BuildRef};
use super::row::{kind, rows};
use super::rpm::{Rpm, RpmSignature};
use super::tag::{Tag, TagQuery, Tagged};
use super::transport::{Request, Service, Transport, TransportError};
use super::{Koji, guard};

/// Asks a hub by XML-RPC over HTTP, without logging in.
///
/// A request is sent again when the connection or the server fails, with growing pauses; what the
/// hub refuses is not asked again. Clones share their connections.
#[derive(Debug, Clone)]
pub struct HubClient {
    url: Url,
    transport: Transport,
}

impl HubClient {
    /// A client of the hub in `config` that goes through `proxy` if there is one.
    ///
    /// # Errors
    ///
    /// [`TransportError::Proxy`].
    pub fn new(config: &KojiConfig, proxy: Option<&str>) -> Result<Self, KojiError> {
        let service = Service {
            name: "the hub",
            whose: "the hub's",
            speaks: "XML-RPC",
            is_whole: guard::is_whole,
        };
        Ok(Self {
            url: config.hub.clone(),
            transport: Transport::new(service, proxy)?,
        })
    }

    /// The same with other limits.
    #[must_use]
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.transport.limits = limits;
        self
    }

    /// The same, stopped when `cancel` says so.
    #[must_use]
    pub fn with_cancel(mut self, cancel: CancellationToken) -> Self {
        self.transport.cancel = cancel;
        self
    }

    fn hub(&self) -> String {
        self.transport.server(&self.url)
    }

    fn answer_error(&self, method: &'static str, problem: impl ToString) -> KojiError {
        KojiError::Answer {
            hub: self.hub(),
            method,
            problem: line(&problem.to_string()),
        }
    }

    fn fault(&self, method: &'static str, fault: &Fault) -> KojiError {
        KojiError::Fault {
            hub: self.hub(),
            method,
            code: fault.code,
            text: line(fault_line(&fault.text)),
        }
    }

    /// Sends a request; the answer is parsed off the async threads.
    async fn ask(
        &self,
        method: &'static str,
        xml: Result<String, String>,
    ) -> Result<Value, KojiError> {
        let xml = xml.map_err(|problem| KojiError::Call { method, problem })?;
        let body = self.transport.send(&self.url, &Request::Post(&xml)).await?;
        let depth = self.transport.limits.depth;
        let answer = tokio::task::spawn_blocking(move || decode(&body, depth))
            .await
            .map_err(|error| self.answer_error(method, error))?
            .map_err(|error| self.answer_error(method, error))?;
        answer.map_err(|fault| self.fault(method, &fault))
    }

    async fn call<T>(
        &self,
        call: Call,
        read: impl Fn(&Value) -> Result<T, String>,
    ) -> Result<T, KojiError> {
        let answer = self.ask(call.method, call.to_xml()).await?;
        read(&answer).map_err(|problem| self.answer_error(call.method, problem))
    }

    /// Many calls of one method, in as few requests as the limits allow. `read` gets the number
    /// of the call with its answer.
    async fn calls<T>(
        &self,
        calls: &[Call],
        read: impl Fn(usize, &Value) -> Result<T, String>,
    ) -> Result<Vec<T>, KojiError> {
        let mut answers = Vec::with_capacity(calls.len());
        let mut batch = self.transport.limits.batch.max(1);
        while answers.len() < calls.len() {
            let rest = &calls[answers.len()..];
            let sent = &rest[..batch.min(rest.len())];
            let method = sent[0].method;
            let values = match self.ask(method, Call::to_multi_call_xml(sent)).await {
                // Together they are too much; one alone may not be.
                Err(KojiError::Transport(TransportError::TooLarge { .. })) if sent.len() > 1 => {
                    batch = sent.len() / 2;
                    continue;
                }
                other => other?,
            };
            let values = match values {
                Value::Array(values) if values.len() == sent.len() => values,
                Value::Array(values) => {
                    let problem = format!("{} answers to {} calls", values.len(), sent.len());
                    return Err(self.answer_error(method, problem));
                }
                other => {
                    let problem = format!("the answers are {}, not an array", kind(&other));
                    return Err(self.answer_error(method, problem));
                }
            };
            for value in &values {
                let value = self.unwrapped(method, value)?;
                let answer = read(answers.len(), value)
                    .map_err(|problem| self.answer_error(method, problem))?;
                answers.push(answer);
            }
        }
        Ok(answers)
    }

    /// One answer within those of a multiCall: an array of one value, or a fault.
    fn unwrapped<'a>(
        &self,
        method: &'static str,
        value: &'a Value,
    ) -> Result<&'a Value, KojiError> {
        let problem = match value {
            Value::Array(one) => match one.as_slice() {
                [value] => return Ok(value),
                _ => format!("an answer of {} values", one.len()),
            },
            Value::Struct(members) => {
                match (members.get("faultCode"), members.get("faultString")) {
                    (Some(Value::Int(code)), Some(Value::String(text))) => {
                        let fault = Fault {
                            code: *code,
                            text: text.clone(),
                        };
                        return Err(self.fault(method, &fault));
                    }
                    _ => "a struct that is no fault".to_owned(),
                }
            }
            other => format!("an answer that is {}", kind(other)),
        };
        Err(self.answer_error(method, problem))
    }

    /// Says a fault about an unknown tag in its own words.
    fn tag_error(error: KojiError, tag: &Tag) -> KojiError {
        match error {
            KojiError::Fault { hub, text, .. }
                if text.starts_with("No such tagInfo") || text.starts_with("No such tag:") =>
            {
                KojiError::NoSuchTag {
                    hub,
                    tag: tag.clone(),
                }
            }
            other => other,
        }
    }
}

#[async_trait]
impl Koji for HubClient {
    async fn get_build(&self, build: &BuildRef) -> Result<Option<Build>, KojiError> {
        let call = Call::new("getBuild").arg(build_argument(build)?);
        self.call(call, |value| read_build(value, build)).await
    }

    async fn get_builds(&self, builds: &[BuildRef]) -> Result<Vec<Option<Build>>, KojiError> {
        let calls = builds
            .iter()
            .map(|build| Ok(Call::new("getBuild").arg(build_argument(build)?)))
            .collect::<Result<Vec<_>, KojiError>>()?;
        self.calls(&calls, |at, value| read_build(value, &builds[at]))
            .await
    }

    async fn list_rpms(&self, build: BuildId) -> Result<Vec<Rpm>, KojiError> {
        self.call(list_rpms_call(build)?, |value| read_rpms(value, build))
            .await
    }

    async fn list_rpms_of(&self, builds: &[BuildId]) -> Result<Vec<Vec<Rpm>>, KojiError> {
        let calls = builds
            .iter()
            .map(|build| list_rpms_call(*build))
            .collect::<Result<Vec<_>, _>>()?;
        self.calls(&calls, |at, value| read_rpms(value, builds[at]))
            .await
    }

    async fn list_tagged(&self, tag: &Tag, query: TagQuery) -> Result<Vec<Build>, KojiError> {
        self.call(tag_call("listTagged", tag, query), |value| {
            rows(value, "the builds", Build::from_value)
        })
        .await
        .map_err(|error| Self::tag_error(error, tag))
    }

    async fn get_latest_builds(&self, tag: &Tag) -> Result<Vec<Build>, KojiError> {
        self.call(Call::new("getLatestBuilds").arg(tag.as_str()), |value| {
            rows(value, "the builds", Build::from_value)
        })
        .await
        .map_err(|error| Self::tag_error(error, tag))
    }

    async fn list_tagged_rpms(&self, tag: &Tag, query: TagQuery) -> Result<Tagged, KojiError> {
        self.call(tag_call("listTaggedRPMS", tag, query), read_tagged)
            .await
            .map_err(|error| Self::tag_error(error, tag))
    }

    async fn query_rpm_sigs(&self, rpms: &[u64]) -> Result<Vec<Vec<RpmSignature>>, KojiError> {
        let method = "queryRPMSigs";
        let calls = rpms
            .iter()
            .map(|id| Ok(Call::new(method).named("rpm_id", number(method, *id)?)))
            .collect::<Result<Vec<_>, KojiError>>()?;
        self.calls(&calls, |at, value| {
            let signatures = rows(value, "the signatures", RpmSignature::from_value)?;
            match signatures.iter().find(|one| one.rpm_id != rpms[at]) {
                None => Ok(signatures),
                Some(other) => Err(format!("a signature of RPM {}", other.rpm_id)),
            }
        })
        .await
    }
}

fn list_rpms_call(build: BuildId) -> Result<Call, KojiError> {
    Ok(Call::new("listRPMs").named("buildID", number("listRPMs", build.0)?))
}

fn tag_call(method: &'static str, tag: &Tag, query: TagQuery) -> Call {
    let mut call = Call::new(method).arg(tag.as_str());
    if query.latest {
        call = call.named("latest", true);
    }
    if query.inherit {
        call = call.named("inherit", true);
    }
    call
}

fn number(method: &'static str, number: u64) -> Result<Value, KojiError> {
    i64::try_from(number)
        .map(Value::Int64)
        .map_err(|_| KojiError::Call {
            method,
            problem: format!("{number} is larger than any number of a hub"),
        })
}

fn build_argument(build: &BuildRef) -> Result<Value, KojiError> {
    match build {
        BuildRef::Id(id) => number("getBuild", id.0),
        BuildRef::Nvr(nvr) => Ok(Value::String(nvr.to_string())),
    }
}

/// The build that was asked for, and no other.
fn read_build(value: &Value, asked: &BuildRef) -> Result<Option<Build>, String> {
    if *value == Value::Nil {
        return Ok(None);
    }
    let build = Build::from_value(value)?;
    let same = match asked {
        BuildRef::Id(id) => build.id == *id,
        BuildRef::Nvr(nvr) => build.nvr() == nvr.to_string(),
    };
    if same {
        Ok(Some(build))
    } else {
        Err(format!("it is about {build} when asked for {asked}"))
    }
}

fn read_rpms(value: &Value, build: BuildId) -> Result<Vec<Rpm>, String> {
    let rpms = rows(value, "the RPMs", Rpm::from_value)?;
    match rpms.iter().find(|rpm| rpm.build_id != build) {
        None => Ok(rpms),
        Some(other) => Err(format!(
            "it has an RPM of build {} when asked for build {build}",
            other.build_id
        )),
    }
}

fn read_tagged(value: &Value) -> Result<Tagged, String> {
    match value {
        Value::Array(both) => match both.as_slice() {
            [rpms, builds] => Ok(Tagged {
                builds: rows(builds, "the builds", Build::from_value)?,
                rpms: rows(rpms, "the RPMs", Rpm::from_value)?,
            }),
            _ => Err(format!("{} values, not RPMs and builds", both.len())),
        },
        other => Err(format!("it is {}, not RPMs and builds", kind(other))),
    }
}
