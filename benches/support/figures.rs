//! Figures of several rounds.

/// Prints median, least and largest.
pub(crate) fn row(name: &str, figures: &[f64]) {
    let mut figures = figures.to_vec();
    figures.sort_by(f64::total_cmp);
    if let (Some(min), Some(max)) = (figures.first(), figures.last()) {
        println!(
            "{name:<36}{:>9.2}{min:>9.2}{max:>9.2}",
            figures[figures.len() / 2]
        );
    }
}

/// `ones` by `others`, round by round.
pub(crate) fn ratios(ones: &[f64], others: &[f64]) -> Vec<f64> {
    ones.iter()
        .zip(others)
        .map(|(one, other)| one / other)
        .collect()
}
