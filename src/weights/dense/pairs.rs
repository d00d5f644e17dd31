//! How dense weights lie in memory: pairs of inputs of the outputs of a panel, in f32, in bf16 or in f16.

use crate::weights::panel_product::PANEL;
use half::{bf16, f16};
#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::*;

/// Outputs of a panel.
pub(super) const WIDE: usize = PANEL;
/// Outputs of a panel of a weight that has few, such as the A of an adapter.
pub(super) const NARROW: usize = 8;

/// Two inputs of `OUTPUTS` outputs, a multiple of 8.
///
/// # Safety
/// Zeros are a value.
pub(super) unsafe trait Pair<const OUTPUTS: usize>: Send + Sync + 'static {
    const NAME: &'static str;

    /// Takes the weights of an output; rounds to nearest.
    fn put(&mut self, output: usize, values: [f32; 2]);

    /// The weights of an output.
    fn get(&self, output: usize) -> [f32; 2];

    /// Eight outputs from `8 · index` on, of the first or of the second input.
    #[cfg(target_arch = "x86_64")]
    fn eight(&self, second: bool, index: usize) -> __m256;

    /// Sixteen outputs from `16 · index` on, of the first or of the second input.
    #[cfg(target_arch = "x86_64")]
    fn sixteen(&self, second: bool, index: usize) -> __m512;
}

/// `[input][output]`
#[repr(C, align(64))]
pub(super) struct F32Pair<const OUTPUTS: usize>([[f32; OUTPUTS]; 2]);

/// `[input][output]`
#[repr(C, align(32))]
pub(super) struct F16Pair<const OUTPUTS: usize>([[f16; OUTPUTS]; 2]);

/// `[output][input]`, as `vdpbf16ps` has them.
#[repr(C, align(64))]
pub(super) struct Bf16Pair<const OUTPUTS: usize>([[bf16; 2]; OUTPUTS]);

// SAFETY: numbers.
unsafe impl<const OUTPUTS: usize> Pair<OUTPUTS> for F32Pair<OUTPUTS> {
    const NAME: &'static str = "f32";

    #[inline(always)]
    fn put(&mut self, output: usize, values: [f32; 2]) {
        (self.0[0][output], self.0[1][output]) = (values[0], values[1]);
    }

    #[inline(always)]
    fn get(&self, output: usize) -> [f32; 2] {
        [self.0[0][output], self.0[1][output]]
    }

    #[cfg(target_arch = "x86_64")]
    #[inline(always)]
    fn eight(&self, second: bool, index: usize) -> __m256 {
        let values = &self.0[usize::from(second)].as_chunks::<8>().0[index];
        // SAFETY: only called where the CPU has AVX; eight elements.
        unsafe { _mm256_loadu_ps(values.as_ptr()) }
    }

    #[cfg(target_arch = "x86_64")]
    #[inline(always)]
    fn sixteen(&self, second: bool, index: usize) -> __m512 {
        let values = &self.0[usize::from(second)].as_chunks::<16>().0[index];
        // SAFETY: only called where the CPU has AVX-512; sixteen elements.
        unsafe { _mm512_loadu_ps(values.as_ptr()) }
    }
}

// SAFETY: numbers.
unsafe impl<const OUTPUTS: usize> Pair<OUTPUTS> for F16Pair<OUTPUTS> {
    const NAME: &'static str = "f16";

    #[inline(always)]
    fn put(&mut self, output: usize, values: [f32; 2]) {
        [self.0[0][output], self.0[1][output]] = values.map(f16::from_f32);
    }

    #[inline(always)]
    fn get(&self, output: usize) -> [f32; 2] {
        [self.0[0][output].to_f32(), self.0[1][output].to_f32()]
    }

    #[cfg(target_arch = "x86_64")]
    #[inline(always)]
    fn eight(&self, second: bool, index: usize) -> __m256 {
        let values = &self.0[usize::from(second)].as_chunks::<8>().0[index];
        // SAFETY: only called where the CPU has F16C; eight numbers of 16 bits.
        unsafe { _mm256_cvtph_ps(_mm_loadu_si128(values.as_ptr().cast())) }
    }

    #[cfg(target_arch = "x86_64")]
    #[inline(always)]
    fn sixteen(&self, second: bool, index: usize) -> __m512 {
        let values = &self.0[usize::from(second)].as_chunks::<16>().0[index];
        // SAFETY: only called where the CPU has AVX-512; sixteen numbers of 16 bits.
        unsafe { _mm512_cvtph_ps(_mm256_loadu_si256(values.as_ptr().cast())) }
    }
}

impl<const OUTPUTS: usize> Bf16Pair<OUTPUTS> {
    #[cfg(target_arch = "x86_64")]
    pub(super) const ZERO: Self = Bf16Pair([[bf16::ZERO; 2]; OUTPUTS]);

    /// Both inputs of sixteen outputs from `16 · index` on.
    #[cfg(target_arch = "x86_64")]
    #[inline(always)]
    pub(super) fn sixteen_pairs(&self, index: usize) -> __m512bh {
        let pairs = &self.0.as_chunks::<16>().0[index];
        // SAFETY: only called where the CPU has AVX-512; sixteen pairs of 16 bits.
        bits(unsafe { _mm512_loadu_si512(pairs.as_ptr().cast()) })
    }
}

// SAFETY: numbers.
unsafe impl<const OUTPUTS: usize> Pair<OUTPUTS> for Bf16Pair<OUTPUTS> {
    const NAME: &'static str = "bf16";

    #[inline(always)]
    fn put(&mut self, output: usize, values: [f32; 2]) {
        self.0[output] = values.map(bf16::from_f32);
    }

    #[inline(always)]
    fn get(&self, output: usize) -> [f32; 2] {
        self.0[output].map(bf16::to_f32)
    }

    /// A bf16 is the upper half of an f32.
    #[cfg(target_arch = "x86_64")]
    #[inline(always)]
    fn eight(&self, second: bool, index: usize) -> __m256 {
        let pairs = &self.0.as_chunks::<8>().0[index];
        // SAFETY: only called where the CPU has AVX2; eight pairs of 16 bits.
        unsafe {
            let pairs = _mm256_loadu_si256(pairs.as_ptr().cast());
            _mm256_castsi256_ps(match second {
                false => _mm256_slli_epi32::<16>(pairs),
                true => _mm256_and_si256(pairs, _mm256_set1_epi32(0xFFFF_0000_u32 as i32)),
            })
        }
    }

    #[cfg(target_arch = "x86_64")]
    #[inline(always)]
    fn sixteen(&self, second: bool, index: usize) -> __m512 {
        let pairs = &self.0.as_chunks::<16>().0[index];
        // SAFETY: only called where the CPU has AVX-512; sixteen pairs of 16 bits.
        unsafe {
            let pairs = _mm512_loadu_si512(pairs.as_ptr().cast());
            _mm512_castsi512_ps(match second {
                false => _mm512_slli_epi32::<16>(pairs),
                true => _mm512_and_si512(pairs, _mm512_set1_epi32(0xFFFF_0000_u32 as i32)),
            })
        }
    }
}

/// Writes pairs of outputs, one after the other, of these pairs of inputs, one after the other.
#[cfg(target_arch = "x86_64")]
pub(super) fn turn(pairs: &[Bf16Pair<WIDE>], turned: &mut [Bf16Pair<WIDE>]) {
    if let (Ok(pairs), Ok(turned)) = (pairs.try_into(), (&mut *turned).try_into()) {
        // SAFETY: only called where the CPU has AVX-512 BF16.
        return unsafe { turn_whole(pairs, turned) };
    }
    for (index, pair) in pairs.iter().enumerate() {
        for (turned, [first, second]) in turned.iter_mut().zip(pair.0.as_chunks::<2>().0) {
            turned.0[2 * index] = [first[0], second[0]];
            turned.0[2 * index + 1] = [first[1], second[1]];
        }
    }
}

/// The same of as many pairs of inputs as of outputs: two pairs are 64 bits, of which eight times eight are turned at a time.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw")]
unsafe fn turn_whole(pairs: &[Bf16Pair<WIDE>; WIDE / 2], turned: &mut [Bf16Pair<WIDE>; WIDE / 2]) {
    /// Of vectors by 128 bits: the first and the third of both; the second and the fourth.
    const EVEN: i32 = 0b10_00_10_00;
    const ODD: i32 = 0b11_01_11_01;
    // `(a₀, a₁), (b₀, b₁)` become `(a₀, b₀), (a₁, b₁)`.
    let inside = _mm512_set4_epi32(0x0F0E_0B0A, 0x0D0C_0908, 0x0706_0302, 0x0504_0100);
    for input in [0, 8] {
        for output in [0, 8] {
            // SAFETY: eight times 64 bits from the eighth or the first on are inside of a pair's.
            unsafe {
                let row = |row: usize| {
                    let from = pairs[input + row].0.as_ptr().cast::<i64>().add(output);
                    _mm512_shuffle_epi8(_mm512_loadu_si512(from.cast()), inside)
                };
                let two = |first: usize| {
                    let (a, b) = (row(first), row(first + 1));
                    [_mm512_unpacklo_epi64(a, b), _mm512_unpackhi_epi64(a, b)]
                };
                let [a, b, c, d] = [two(0), two(2), two(4), two(6)];
                for second in [0, 1] {
                    let (a, b, c, d) = (a[second], b[second], c[second], d[second]);
                    let even = [_mm512_shuffle_i64x2::<EVEN>(a, b), _mm512_shuffle_i64x2::<EVEN>(c, d)];
                    let odd = [_mm512_shuffle_i64x2::<ODD>(a, b), _mm512_shuffle_i64x2::<ODD>(c, d)];
                    let columns = [
                        _mm512_shuffle_i64x2::<EVEN>(even[0], even[1]),
                        _mm512_shuffle_i64x2::<EVEN>(odd[0], odd[1]),
                        _mm512_shuffle_i64x2::<ODD>(even[0], even[1]),
                        _mm512_shuffle_i64x2::<ODD>(odd[0], odd[1]),
                    ];
                    for (index, column) in columns.into_iter().enumerate() {
                        let to = turned[output + 2 * index + second].0.as_mut_ptr().cast::<i64>().add(input);
                        _mm512_storeu_si512(to.cast(), column);
                    }
                }
            }
        }
    }
}

/// Pairs by their bits; there is no cast in `std::arch`.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
pub(super) fn bits(pairs: __m512i) -> __m512bh {
    // SAFETY: both are 64 bytes of any value.
    unsafe { std::mem::transmute::<__m512i, __m512bh>(pairs) }
}
