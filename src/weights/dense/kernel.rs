//! Products of rows of f32 with a panel of weights: every sum is one chain of fused multiply-adds in the order of the inputs, or
//! four of a narrow panel, so its bits depend neither on the width of the vectors nor on how many rows there are.

use super::pairs::{NARROW, Pair};
use crate::weights::kernel::{Instructions, Kernel, ROWS};
#[cfg(target_arch = "x86_64")]
use crate::weights::prefetch;
#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::*;

/// Rows of activations, `stride` elements apart.
#[derive(Clone, Copy)]
pub(super) struct Operand<'a> {
    pub(super) values: &'a [f32],
    pub(super) stride: usize,
}

/// Adds up to `ROWS` rows of `x` times some pairs of a panel to the sums of each row.
pub(super) fn add_product<P: Pair<OUTPUTS>, const OUTPUTS: usize>(
    kernel: Kernel,
    pairs: &[P],
    x: Operand<'_>,
    sums: &mut [[f32; OUTPUTS]],
) {
    assert!((1..=ROWS).contains(&sums.len()));
    assert!((sums.len() - 1) * x.stride + 2 * pairs.len() <= x.values.len());
    match kernel.instructions() {
        Instructions::Portable => portable(pairs, x, sums),
        // SAFETY: `kernel` proves the instructions, the assertions that the rows are inside of `x`.
        #[cfg(target_arch = "x86_64")]
        _ if OUTPUTS == NARROW => unsafe {
            let (first, rest) = sums.split_at_mut(sums.len().min(ROWS / 2));
            for (sums, row) in [(first, 0), (rest, ROWS / 2)] {
                let x = Operand { values: x.values.get(row * x.stride..).unwrap_or_default(), ..x };
                match sums.len() {
                    3 => avx2_narrow::<P, OUTPUTS, 3>(pairs, x, sums),
                    2 => avx2_narrow::<P, OUTPUTS, 2>(pairs, x, sums),
                    1 => avx2_narrow::<P, OUTPUTS, 1>(pairs, x, sums),
                    _ => {}
                }
            }
        },
        // SAFETY: as above.
        #[cfg(target_arch = "x86_64")]
        Instructions::Avx2 => unsafe {
            match sums.len() {
                6 => avx2::<P, OUTPUTS, 6, 2>(pairs, x, sums),
                5 => avx2::<P, OUTPUTS, 5, 2>(pairs, x, sums),
                4 => avx2::<P, OUTPUTS, 4, 2>(pairs, x, sums),
                3 => avx2::<P, OUTPUTS, 3, 4>(pairs, x, sums),
                2 => avx2::<P, OUTPUTS, 2, 4>(pairs, x, sums),
                _ => avx2::<P, OUTPUTS, 1, 4>(pairs, x, sums),
            }
        },
        // SAFETY: as above.
        #[cfg(target_arch = "x86_64")]
        Instructions::Avx512 | Instructions::Vnni | Instructions::Bf16 | Instructions::Amx => unsafe {
            match sums.len() {
                6 => avx512::<P, OUTPUTS, 6>(pairs, x, sums),
                5 => avx512::<P, OUTPUTS, 5>(pairs, x, sums),
                4 => avx512::<P, OUTPUTS, 4>(pairs, x, sums),
                3 => avx512::<P, OUTPUTS, 3>(pairs, x, sums),
                2 => avx512::<P, OUTPUTS, 2>(pairs, x, sums),
                _ => avx512::<P, OUTPUTS, 1>(pairs, x, sums),
            }
        },
    }
}

fn portable<P: Pair<OUTPUTS>, const OUTPUTS: usize>(pairs: &[P], x: Operand<'_>, sums: &mut [[f32; OUTPUTS]]) {
    for (row, sums) in sums.iter_mut().enumerate() {
        let x = x.values[row * x.stride..].as_chunks::<2>().0;
        for (output, sum) in sums.iter_mut().enumerate() {
            if OUTPUTS == NARROW {
                let mut chains = [0.0f32; CHAINS];
                for (index, (pair, x)) in pairs.iter().zip(x).enumerate() {
                    let chains = &mut chains.as_chunks_mut::<2>().0[index % (CHAINS / 2)];
                    for ((chain, weight), x) in chains.iter_mut().zip(pair.get(output)).zip(x) {
                        *chain = x.mul_add(weight, *chain);
                    }
                }
                *sum += (chains[0] + chains[1]) + (chains[2] + chains[3]);
            } else {
                for (pair, x) in pairs.iter().zip(x) {
                    let weights = pair.get(output);
                    *sum = x[1].mul_add(weights[1], x[0].mul_add(weights[0], *sum));
                }
            }
        }
    }
}

/// Chains that a sum of a narrow panel is made of, by turns: there, one vector has all outputs, and one chain would wait for each
/// multiply-add before the next.
const CHAINS: usize = 4;

/// `M` rows times all outputs of a narrow panel.
///
/// # Safety
/// The CPU has AVX2, FMA and F16C; `x` has `M` rows of as many inputs as there are in the pairs.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn avx2_narrow<P: Pair<OUTPUTS>, const OUTPUTS: usize, const M: usize>(
    pairs: &[P],
    x: Operand<'_>,
    sums: &mut [[f32; OUTPUTS]],
) {
    // SAFETY: the caller's; a panel has eight outputs.
    unsafe {
        let mut chains = [[_mm256_setzero_ps(); CHAINS]; M];
        for (index, two) in pairs.chunks(CHAINS / 2).enumerate() {
            for (second, pair) in two.iter().enumerate() {
                if M < ROWS / 2 {
                    prefetch::ahead(pair);
                }
                let weights = [pair.eight(false, 0), pair.eight(true, 0)];
                for (m, chains) in chains.iter_mut().enumerate() {
                    let at = x.values.as_ptr().add(m * x.stride + CHAINS * index + 2 * second);
                    let even = _mm256_broadcast_ss(&*at);
                    let odd = _mm256_broadcast_ss(&*at.add(1));
                    chains[2 * second] = _mm256_fmadd_ps(weights[0], even, chains[2 * second]);
                    chains[2 * second + 1] = _mm256_fmadd_ps(weights[1], odd, chains[2 * second + 1]);
                }
            }
        }
        for (sums, chains) in sums.iter_mut().zip(chains) {
            let [low, high] = [_mm256_add_ps(chains[0], chains[1]), _mm256_add_ps(chains[2], chains[3])];
            let sum = _mm256_add_ps(_mm256_loadu_ps(sums.as_ptr()), _mm256_add_ps(low, high));
            _mm256_storeu_ps(sums.as_mut_ptr(), sum);
        }
    }
}

/// `M` rows times `V` vectors of eight outputs at a time.
///
/// # Safety
/// The CPU has AVX2, FMA and F16C; `x` has `M` rows of as many inputs as there are in the pairs.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn avx2<P: Pair<OUTPUTS>, const OUTPUTS: usize, const M: usize, const V: usize>(
    pairs: &[P],
    x: Operand<'_>,
    sums: &mut [[f32; OUTPUTS]],
) {
    for first in (0..OUTPUTS / 8).step_by(V) {
        // SAFETY: the caller's; eight sums from `8 · (first + v)` on are inside of `OUTPUTS`.
        unsafe {
            let mut acc: [[__m256; V]; M] = std::array::from_fn(|m| {
                std::array::from_fn(|v| _mm256_loadu_ps(sums[m].as_ptr().add((first + v) * 8)))
            });
            for (index, pair) in pairs.iter().enumerate() {
                // Where more rows are multiplied, reading is not what they wait for.
                if M < ROWS && first == 0 {
                    prefetch::ahead(pair);
                }
                for second in [false, true] {
                    let weights: [__m256; V] = std::array::from_fn(|v| pair.eight(second, first + v));
                    for (m, acc) in acc.iter_mut().enumerate() {
                        let at = x.values.as_ptr().add(m * x.stride + 2 * index + usize::from(second));
                        let x = _mm256_broadcast_ss(&*at);
                        for (sum, weights) in acc.iter_mut().zip(weights) {
                            *sum = _mm256_fmadd_ps(weights, x, *sum);
                        }
                    }
                }
            }
            for (sums, acc) in sums.iter_mut().zip(acc) {
                for (v, sum) in acc.into_iter().enumerate() {
                    _mm256_storeu_ps(sums.as_mut_ptr().add((first + v) * 8), sum);
                }
            }
        }
    }
}

/// `M` rows times two vectors of sixteen outputs.
///
/// # Safety
/// The CPU has AVX-512 F; `x` has `M` rows of as many inputs as there are in the pairs.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
unsafe fn avx512<P: Pair<OUTPUTS>, const OUTPUTS: usize, const M: usize>(
    pairs: &[P],
    x: Operand<'_>,
    sums: &mut [[f32; OUTPUTS]],
) {
    // SAFETY: the caller's; sixteen sums from `16 · v` on are inside of `OUTPUTS`.
    unsafe {
        let mut acc: [[__m512; 2]; M] =
            std::array::from_fn(|m| std::array::from_fn(|v| _mm512_loadu_ps(sums[m].as_ptr().add(v * 16))));
        for (index, pair) in pairs.iter().enumerate() {
            if M < ROWS {
                prefetch::ahead(pair);
            }
            for second in [false, true] {
                let weights: [__m512; 2] = std::array::from_fn(|v| pair.sixteen(second, v));
                for (m, acc) in acc.iter_mut().enumerate() {
                    let at = x.values.as_ptr().add(m * x.stride + 2 * index + usize::from(second));
                    let x = _mm512_set1_ps(*at);
                    for (sum, weights) in acc.iter_mut().zip(weights) {
                        *sum = _mm512_fmadd_ps(weights, x, *sum);
                    }
                }
            }
        }
        for (sums, acc) in sums.iter_mut().zip(acc) {
            for (v, sum) in acc.into_iter().enumerate() {
                _mm512_storeu_ps(sums.as_mut_ptr().add(v * 16), sum);
            }
        }
    }
}
