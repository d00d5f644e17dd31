//! How fast this machine reads memory: no pass over the weights can be faster.

use crate::llama::THREADS;
use std::hint::black_box;
use std::time::Instant;

/// Far more than any cache holds.
const BYTES: usize = 1 << 30;
const PASSES: usize = 8;

/// Bytes a second that [`THREADS`] threads read together; the best of some passes.
pub fn measure() -> f64 {
    // Ones, not zeros: pages of zeros may all be the same page.
    let words = vec![1u64; BYTES / size_of::<u64>()];
    let pass = || {
        let began = Instant::now();
        std::thread::scope(|scope| {
            for part in words.chunks(words.len().div_ceil(THREADS)) {
                scope.spawn(|| black_box(part.iter().fold(0u64, |sum, word| sum.wrapping_add(*word))));
            }
        });
        BYTES as f64 / began.elapsed().as_secs_f64()
    };
    (0..PASSES).map(|_| pass()).fold(0.0, f64::max)
}
