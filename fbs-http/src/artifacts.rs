//! Files of jobs, as browsers are told of them.

/// What a browser is told of a file. What could act in it is sent as bytes.
pub(crate) fn content_type(name: &str) -> &'static str {
    let end = name.rsplit_once('.').map(|(_, end)| end);
    match end {
        Some("json") => "application/json",
        Some("log" | "txt" | "ks") => "text/plain; charset=utf-8",
        Some("png") => "image/png",
        _ if name == "CHECKSUM" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}
