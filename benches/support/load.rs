//! What benches share that put a load on a server.

/// A number of the environment.
pub(crate) fn number(name: &str, default: usize) -> usize {
    let value = std::env::var(name).ok();
    value
        .and_then(|value| value.parse().ok())
        .unwrap_or(default)
}

/// What such a share of the figures is at most.
pub(crate) fn percentile(times: &[f64], share: f64) -> f64 {
    let mut times = times.to_vec();
    times.sort_by(f64::total_cmp);
    let last = times.len().saturating_sub(1);
    times[((last as f64) * share).round() as usize]
}
