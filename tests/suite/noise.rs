//! Bytes that nothing can compress, the same each time.

/// So many of them, from a linear congruential generator
/// (<https://en.wikipedia.org/wiki/Linear_congruential_generator>, Knuth's factor).
pub fn noise(size: usize) -> Vec<u8> {
    let mut state = 1_u64;
    let mut next = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 56) as u8
    };
    (0..size).map(|_| next()).collect()
}
