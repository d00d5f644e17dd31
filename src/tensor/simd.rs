//! Loops compiled for the widest vectors that the CPU has, chosen at run time.

use pulp::Arch;

/// Runs `work` as it was compiled for this CPU's vectors (AVX-512, AVX2, or the target's own).
///
/// Nothing is reordered or fused in it, so a loop gives the same bits on every CPU. `work` and what it calls must be
/// `#[inline(always)]`: what is not inlined is compiled for the target's own vectors, and gains nothing.
#[inline(always)]
pub(crate) fn vectorized<R>(work: impl FnOnce() -> R) -> R {
    Arch::new().dispatch(work)
}

/// `Σ aᵢ bᵢ` in 16 lanes, as [`sum`] adds them: without an index there is no bound to check, which would keep it from vectors.
#[inline(always)]
pub(crate) fn dot(a: &[f32], b: &[f32]) -> f32 {
    debug_assert_eq!(a.len(), b.len());
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<16>(), b.as_chunks::<16>());
    let mut lanes = [0.0f32; 16];
    for (a, b) in a.iter().zip(b) {
        for ((lane, a), b) in lanes.iter_mut().zip(a).zip(b) {
            *lane += a * b;
        }
    }
    lanes.iter().sum::<f32>() + a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum::<f32>()
}

/// `Σ term(i)` for `i < n` in 16 lanes: vectorises, and errs less than one running sum.
#[inline(always)]
pub(crate) fn sum(n: usize, term: impl Fn(usize) -> f32) -> f32 {
    let mut lanes = [0.0f32; 16];
    let whole = n - n % 16;
    for start in (0..whole).step_by(16) {
        for (lane, acc) in lanes.iter_mut().enumerate() {
            *acc += term(start + lane);
        }
    }
    lanes.iter().sum::<f32>() + (whole..n).map(term).sum::<f32>()
}
