//! Products of 8-bit integers on AVX-512 VNNI.

use super::tile::{BLOCK, TILE, Tile};
use std::ops::Range;

/// Rows of activations whose sums are kept in registers together.
const ROWS: usize = 6;

/// Proof that this CPU has the instructions.
#[derive(Debug, Clone, Copy)]
pub(super) struct Kernel(());

/// Activations as unsigned 8-bit integers around 128, a scale per block of a row.
pub(super) struct Activations {
    q: Vec<u8>,
    scales: Vec<f32>,
    blocks: usize,
}

impl Kernel {
    /// The kernel, where the CPU has what it needs.
    pub(super) fn detect() -> Option<Self> {
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512vnni")
        {
            return Some(Kernel(()));
        }
        None
    }
}

#[cfg(not(target_arch = "x86_64"))]
impl Kernel {
    // `detect` gives no kernel here, so neither is ever called; both are exact all the same.
    pub(super) fn quantize(self, _: &[f32], rows: usize, _: usize, blocks: usize) -> Activations {
        Activations { q: vec![128; rows * blocks * BLOCK], scales: vec![f32::NAN; rows * blocks], blocks }
    }

    pub(super) fn product(
        self,
        _: &[Tile],
        x: &Activations,
        rows: Range<usize>,
        mut out: impl FnMut(usize, &[f32; TILE]),
    ) {
        rows.for_each(|row| out(row, &[x.scales[row * x.blocks]; TILE]));
    }
}

#[cfg(target_arch = "x86_64")]
impl Kernel {
    /// Quantizes `x [rows, width]`, block by block.
    pub(super) fn quantize(self, x: &[f32], rows: usize, width: usize, blocks: usize) -> Activations {
        use rayon::prelude::*;
        let mut q = vec![128u8; rows * blocks * BLOCK];
        let mut scales = vec![0.0f32; rows * blocks];
        q.par_chunks_mut(blocks * BLOCK)
            .zip(scales.par_chunks_mut(blocks))
            .zip(x.par_chunks(width))
            .with_min_len(16)
            .for_each(|((q, scales), x)| {
                for ((x, q), scale) in x.chunks(BLOCK).zip(q.chunks_exact_mut(BLOCK)).zip(scales) {
                    let mut padded = [0.0f32; BLOCK];
                    let x = match <&[f32; BLOCK]>::try_from(x) {
                        Ok(x) => x,
                        Err(_) => {
                            padded[..x.len()].copy_from_slice(x);
                            &padded
                        }
                    };
                    // SAFETY: `self` proves the instructions; `q` is a whole block by `chunks_exact_mut`.
                    *scale = unsafe { x86::quantize_block(x, q) };
                }
            });
        Activations { q, scales, blocks }
    }

    /// Products of one row of tiles with some rows of activations; `out` gets each row's 32 sums.
    pub(super) fn product(
        self,
        tiles: &[Tile],
        x: &Activations,
        rows: Range<usize>,
        mut out: impl FnMut(usize, &[f32; TILE]),
    ) {
        assert!(
            tiles.len() == x.blocks && rows.end * x.blocks <= x.scales.len() && x.q.len() == x.scales.len() * BLOCK
        );
        let mut sums = [[0.0f32; TILE]; ROWS];
        for first in rows.clone().step_by(ROWS) {
            let count = ROWS.min(rows.end - first);
            let q = &x.q[first * x.blocks * BLOCK..];
            let scales = &x.scales[first * x.blocks..];
            // SAFETY: `self` proves the instructions; the assertion above and `count` keep all reads inside `q`,
            // `scales` and `tiles`.
            unsafe {
                match count {
                    6 => x86::product::<6>(tiles, q.as_ptr(), scales.as_ptr(), &mut sums),
                    5 => x86::product::<5>(tiles, q.as_ptr(), scales.as_ptr(), &mut sums),
                    4 => x86::product::<4>(tiles, q.as_ptr(), scales.as_ptr(), &mut sums),
                    3 => x86::product::<3>(tiles, q.as_ptr(), scales.as_ptr(), &mut sums),
                    2 => x86::product::<2>(tiles, q.as_ptr(), scales.as_ptr(), &mut sums),
                    _ => x86::product::<1>(tiles, q.as_ptr(), scales.as_ptr(), &mut sums),
                }
            }
            sums[..count].iter().enumerate().for_each(|(i, sums)| out(first + i, sums));
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::{BLOCK, ROWS, TILE, Tile};
    use std::arch::x86_64::*;

    /// Quantizes a block to 128 ± 127 and gives its scale; NaN in, NaN scale.
    #[target_feature(enable = "avx512f,avx512bw")]
    pub(super) unsafe fn quantize_block(x: &[f32; BLOCK], q: &mut [u8]) -> f32 {
        debug_assert_eq!(q.len(), BLOCK);
        // SAFETY: both halves of `x` and of `q` are sixteen elements.
        unsafe {
            let (a, b) = (_mm512_loadu_ps(x.as_ptr()), _mm512_loadu_ps(x.as_ptr().add(16)));
            let unordered = _mm512_cmp_ps_mask::<_CMP_UNORD_Q>(a, b);
            let largest = _mm512_reduce_max_ps(_mm512_max_ps(_mm512_abs_ps(a), _mm512_abs_ps(b)));
            let scale = largest / 127.0;
            let inverse = _mm512_set1_ps(if scale > 0.0 { 1.0 / scale } else { 0.0 });
            let quantize = |v| _mm512_add_epi32(_mm512_cvtps_epi32(_mm512_mul_ps(v, inverse)), _mm512_set1_epi32(128));
            _mm_storeu_si128(q.as_mut_ptr().cast(), _mm512_cvtepi32_epi8(quantize(a)));
            _mm_storeu_si128(q.as_mut_ptr().add(16).cast(), _mm512_cvtepi32_epi8(quantize(b)));
            if unordered == 0 { scale } else { f32::NAN }
        }
    }

    /// `M` rows by 32 outputs: integers are summed within a block, scaled sums across blocks.
    ///
    /// `q` points at `M` rows of `tiles.len()` blocks, `scales` at their scales.
    #[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
    pub(super) unsafe fn product<const M: usize>(
        tiles: &[Tile],
        q: *const u8,
        scales: *const f32,
        out: &mut [[f32; TILE]; ROWS],
    ) {
        let blocks = tiles.len();
        let mut low = [_mm512_setzero_ps(); M];
        let mut high = [_mm512_setzero_ps(); M];
        for (block, tile) in tiles.iter().enumerate() {
            // SAFETY: a tile is 64-byte aligned and each load stays inside its field; `q` and `scales` hold `M` rows.
            unsafe {
                let sums = _mm512_loadu_si512(tile.sum.as_ptr().cast());
                let offset = |half| {
                    _mm512_slli_epi32::<7>(_mm512_sub_epi32(_mm512_setzero_si512(), _mm512_cvtepi16_epi32(half)))
                };
                let mut sum_low = [offset(_mm512_castsi512_si256(sums)); M];
                let mut sum_high = [offset(_mm512_extracti64x4_epi64::<1>(sums)); M];
                for group in 0..BLOCK / 4 {
                    let weights = tile.q[group].as_ptr();
                    let w_low = _mm512_load_si512(weights.cast());
                    let w_high = _mm512_load_si512(weights.add(16).cast());
                    for m in 0..M {
                        let four = q.add((m * blocks + block) * BLOCK + group * 4).cast::<i32>().read_unaligned();
                        let x = _mm512_set1_epi32(four);
                        sum_low[m] = _mm512_dpbusd_epi32(sum_low[m], x, w_low);
                        sum_high[m] = _mm512_dpbusd_epi32(sum_high[m], x, w_high);
                    }
                }
                let scale = _mm512_loadu_si512(tile.scale.as_ptr().cast());
                let scale_low = _mm512_cvtph_ps(_mm512_castsi512_si256(scale));
                let scale_high = _mm512_cvtph_ps(_mm512_extracti64x4_epi64::<1>(scale));
                for m in 0..M {
                    let x = _mm512_set1_ps(*scales.add(m * blocks + block));
                    low[m] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(sum_low[m]), _mm512_mul_ps(x, scale_low), low[m]);
                    high[m] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(sum_high[m]), _mm512_mul_ps(x, scale_high), high[m]);
                }
            }
        }
        for m in 0..M {
            // SAFETY: a row of `out` is two vectors.
            unsafe {
                _mm512_storeu_ps(out[m].as_mut_ptr(), low[m]);
                _mm512_storeu_ps(out[m].as_mut_ptr().add(16), high[m]);
            }
        }
    }
}
