//! How often something took how long.

/// Seconds, counted by upper bounds.
#[derive(Debug, Clone)]
pub(super) struct Histogram {
    bounds: &'static [f64],
    /// How many were no longer than each bound, and longer than the one before.
    counts: Vec<u64>,
    /// How many there were.
    pub(super) count: u64,
    /// Their seconds together.
    pub(super) sum: f64,
}

impl Histogram {
    pub(super) fn new(bounds: &'static [f64]) -> Self {
        Self {
            bounds,
            counts: vec![0; bounds.len()],
            count: 0,
            sum: 0.0,
        }
    }

    pub(super) fn observe(&mut self, seconds: f64) {
        let seconds = seconds.max(0.0);
        let bound = self.bounds.iter().position(|bound| seconds <= *bound);
        if let Some(count) = bound.and_then(|place| self.counts.get_mut(place)) {
            *count += 1;
        }
        self.count += 1;
        self.sum += seconds;
    }

    /// The bounds, each with how many were no longer.
    pub(super) fn buckets(&self) -> impl Iterator<Item = (f64, u64)> + '_ {
        let mut so_far = 0;
        self.bounds
            .iter()
            .zip(&self.counts)
            .map(move |(bound, count)| {
                so_far += count;
                (*bound, so_far)
            })
    }
}
