//! What a hub knows, as JSON records with the members of a real hub's, and its answers from that.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::captures::captures;
use crate::xmlrpc::{Call, parse_call};

/// A refusal: a code and a text.
pub(crate) type Fault = (i32, String);

/// Builds, RPMs, tags and signatures.
#[derive(Debug, Default)]
pub(crate) struct Data {
    builds: BTreeMap<u64, Value>,
    rpms: BTreeMap<u64, Vec<Value>>,
    signatures: BTreeMap<u64, Vec<Value>>,
    tags: BTreeMap<String, TagData>,
    pub(crate) updates: BTreeMap<String, Value>,
    /// Answers to calls that are not computed, by the call.
    recorded: Vec<(Call, Result<Value, Fault>)>,
}

#[derive(Debug, Default)]
struct TagData {
    /// Rows as `listTagged` has them, the latest first.
    rows: Vec<Value>,
    parents: Vec<String>,
}

impl Data {
    /// What the captures tell.
    pub(crate) fn of_captures() -> Self {
        let mut data = Self::default();
        for capture in captures() {
            let (Ok(request), Some(decoded)) =
                (String::from_utf8(capture.request), capture.decoded)
            else {
                continue;
            };
            let Ok(call) = parse_call(&request) else {
                continue;
            };
            match decoded.get("__fault__") {
                Some(fault) => {
                    let code = fault[0].as_i64().and_then(|code| i32::try_from(code).ok());
                    let text = fault[1].as_str().unwrap_or_default().to_owned();
                    data.recorded.push((call, Err((code.unwrap_or(1), text))));
                }
                None => {
                    data.learn(&call, &decoded);
                    data.recorded.push((call, Ok(decoded)));
                }
            }
        }
        data
    }

    fn learn(&mut self, call: &Call, answer: &Value) {
        let rows = answer.as_array().map(Vec::as_slice).unwrap_or_default();
        match call.method.as_str() {
            "getBuild" if !answer.is_null() => self.insert_build(answer.clone()),
            "listRPMs" if !call.named.contains_key("arches") => {
                let whole = !call.named.contains_key("queryOpts");
                rows.iter()
                    .filter(|_| whole)
                    .for_each(|row| self.insert_rpm(row.clone()));
            }
            "queryRPMSigs" => rows
                .iter()
                .for_each(|row| self.insert_signature(row.clone())),
            "listTagged" => {
                let asked = call.params[0].as_str().unwrap_or_default();
                self.tags.entry(asked.to_owned()).or_default();
                for row in rows {
                    let tag = row["tag_name"].as_str().unwrap_or_default();
                    if tag != asked {
                        self.inherit(asked, tag);
                    }
                    self.insert_tagged(tag, row.clone());
                    self.builds
                        .entry(number(&row["id"]))
                        .or_insert_with(|| untagged(row));
                }
            }
            "multiCall" => {
                let calls = call.params[0]
                    .as_array()
                    .map(Vec::as_slice)
                    .unwrap_or_default();
                for (call, answer) in calls.iter().zip(rows) {
                    if let Some(answer) = answer.get(0) {
                        self.learn(&inner(call), answer);
                    }
                }
            }
            _ => {}
        }
    }

    pub(crate) fn insert_build(&mut self, build: Value) {
        self.builds.insert(number(&build["id"]), build);
    }

    pub(crate) fn insert_rpm(&mut self, rpm: Value) {
        let rows = self.rpms.entry(number(&rpm["build_id"])).or_default();
        if rows.iter().all(|row| row["id"] != rpm["id"]) {
            rows.push(rpm);
        }
    }

    pub(crate) fn insert_signature(&mut self, row: Value) {
        self.signatures
            .entry(number(&row["rpm_id"]))
            .or_default()
            .push(row);
    }

    /// Puts a build into a tag, as its latest.
    pub(crate) fn tag_build(&mut self, tag: &str, build: u64) {
        let Some(Value::Object(build)) = self.builds.get(&build) else {
            return;
        };
        let mut row: Map<String, Value> = build
            .iter()
            .filter(|(key, _)| {
                !key.ends_with("_ts")
                    && !["cg_id", "cg_name", "extra", "source"].contains(&key.as_str())
            })
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect();
        row.insert("tag_id".to_owned(), json!(900));
        row.insert("tag_name".to_owned(), json!(tag));
        row.insert("create_event".to_owned(), json!(99_000_000));
        let tag = self.tags.entry(tag.to_owned()).or_default();
        tag.rows.insert(0, Value::Object(row));
    }

    fn insert_tagged(&mut self, tag: &str, row: Value) {
        let tag = self.tags.entry(tag.to_owned()).or_default();
        if tag.rows.iter().all(|known| known["id"] != row["id"]) {
            tag.rows.push(row);
        }
    }

    fn inherit(&mut self, tag: &str, parent: &str) {
        let tag = self.tags.entry(tag.to_owned()).or_default();
        if !tag.parents.iter().any(|known| known == parent) {
            tag.parents.push(parent.to_owned());
        }
    }

    pub(crate) fn next_build_id(&self) -> u64 {
        self.builds
            .keys()
            .last()
            .copied()
            .unwrap_or(2_800_000)
            .max(2_800_000)
            + 1
    }

    /// Answers a call.
    pub(crate) fn answer(&self, call: &Call) -> Result<Value, Fault> {
        let strict = call.argument(1, "strict") == Some(&json!(true));
        match call.method.as_str() {
            "getBuild" if !strict => self.get_build(call),
            "listRPMs" if !call.named.contains_key("queryOpts") => self.list_rpms(call),
            "queryRPMSigs" => {
                let rpm = number(call.argument(0, "rpm_id").unwrap_or(&Value::Null));
                Ok(self
                    .signatures
                    .get(&rpm)
                    .cloned()
                    .unwrap_or_default()
                    .into())
            }
            "listTagged" | "getLatestBuilds" | "listTaggedRPMS" => self.tagged(call),
            // The first that Koji's own client asks.
            "getAPIVersion" => Ok(json!(1)),
            _ => self.recorded(call),
        }
    }

    /// The call within an element of a multiCall, answered as that does.
    pub(crate) fn answer_within(&self, call: &Value) -> Value {
        match self.answer(&inner(call)) {
            Ok(value) => json!([value]),
            Err((code, text)) => json!({"faultCode": code, "faultString": text, "traceback": []}),
        }
    }

    fn recorded(&self, call: &Call) -> Result<Value, Fault> {
        let known = self.recorded.iter().find(|(known, _)| known == call);
        match known {
            Some((_, answer)) => answer.clone(),
            None => Err((1000, format!("Invalid method: {}", call.method))),
        }
    }

    fn get_build(&self, call: &Call) -> Result<Value, Fault> {
        match call.argument(0, "buildInfo") {
            Some(Value::Number(id)) if id.is_u64() => {
                let build = id.as_u64().and_then(|id| self.builds.get(&id));
                Ok(build.cloned().unwrap_or(Value::Null))
            }
            Some(Value::String(nvr)) if nvr.matches('-').count() < 2 => {
                Err((1000, format!("invalid format: {nvr}")))
            }
            Some(nvr @ Value::String(_)) => {
                let build = self.builds.values().find(|build| build["nvr"] == *nvr);
                Ok(build.cloned().unwrap_or(Value::Null))
            }
            _ => self.recorded(call),
        }
    }

    fn list_rpms(&self, call: &Call) -> Result<Value, Fault> {
        match call.argument(0, "buildID") {
            Some(Value::Number(id)) => {
                let rpms = id.as_u64().and_then(|id| self.rpms.get(&id));
                let mut rpms = rpms.cloned().unwrap_or_default();
                if let Some(arches) = call.named.get("arches").filter(|it| !it.is_null()) {
                    rpms.retain(|rpm| match arches {
                        Value::Array(arches) => arches.contains(&rpm["arch"]),
                        arch => rpm["arch"] == *arch,
                    });
                }
                Ok(rpms.into())
            }
            _ => self.recorded(call),
        }
    }

    fn tagged(&self, call: &Call) -> Result<Value, Fault> {
        let asked = call
            .argument(0, "tag")
            .and_then(Value::as_str)
            .unwrap_or_default();
        let Some(tag) = self.tags.get(asked) else {
            return Err((1000, format!("No such tagInfo: '{asked}'")));
        };
        let flag = |name| call.named.get(name) == Some(&json!(true));
        let all = call.method == "getLatestBuilds";
        let mut rows: Vec<&Value> = tag.rows.iter().collect();
        if all || flag("inherit") {
            for parent in tag.parents.iter().filter_map(|tag| self.tags.get(tag)) {
                rows.extend(&parent.rows);
            }
        }
        if let Some(package) = call.named.get("package") {
            rows.retain(|row| row["package_name"] == *package);
        }
        if all || flag("latest") {
            let mut packages = std::collections::BTreeSet::new();
            rows.retain(|row| packages.insert(row["package_name"].as_str()));
        }
        let builds: Vec<Value> = rows.into_iter().cloned().collect();
        if call.method != "listTaggedRPMS" {
            return Ok(builds.into());
        }
        // These rows lack what listRPMs says beyond the table of RPMs.
        let rpms: Vec<Value> = builds
            .iter()
            .filter_map(|build| self.rpms.get(&number(&build["id"])))
            .flatten()
            .cloned()
            .map(|mut rpm| {
                if let Value::Object(row) = &mut rpm {
                    row.retain(|key, _| !key.starts_with("external_") && key != "nvr");
                }
                rpm
            })
            .collect();
        Ok(json!([rpms, builds]))
    }
}

/// A row of `listTagged` as `getBuild` has it, but for a few members that row lacks.
fn untagged(row: &Value) -> Value {
    let mut build = row.clone();
    if let Value::Object(build) = &mut build {
        build.retain(|key, _| !["tag_id", "tag_name", "create_event"].contains(&key.as_str()));
    }
    build
}

/// The call in an element of a multiCall.
pub(crate) fn inner(call: &Value) -> Call {
    let method = call["methodName"].as_str().unwrap_or_default();
    let params = call["params"].as_array().cloned().unwrap_or_default();
    Call::new(method.to_owned(), params)
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_computed_equals_what_was_recorded() {
        let data = Data::of_captures();
        let mut compared = 0;
        for (call, recorded) in &data.recorded {
            if call.method == "multiCall" {
                let calls = call.params[0].as_array().unwrap();
                for (call, recorded) in calls
                    .iter()
                    .zip(recorded.as_ref().unwrap().as_array().unwrap())
                {
                    let mut answer = data.answer_within(call);
                    if let Some(fault) = answer.as_object_mut() {
                        fault["traceback"] = recorded["traceback"].clone();
                    }
                    assert_eq!(answer, *recorded, "{call:?}");
                    compared += 1;
                }
                continue;
            }
            let mut answer = data.answer(call);
            let mut recorded = recorded.clone();
            for rows in [&mut answer, &mut recorded].into_iter().flatten() {
                if let (true, Some(rows)) = (call.method == "listTaggedRPMS", rows.as_array_mut()) {
                    sort(&mut rows[0]);
                }
            }
            assert_eq!(answer, recorded, "{call:?}");
            compared += 1;
        }
        assert!(compared > 50);
    }

    fn sort(rows: &mut Value) {
        let rows = rows.as_array_mut().unwrap();
        rows.sort_by_key(|row| row["id"].as_u64());
    }
}
