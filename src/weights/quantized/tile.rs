//! What a type of quantized weights is to the products: tiles of integers with their scales.

use super::super::WeightType;
use crate::weights::eight_bits::GROUP;
#[cfg(target_arch = "x86_64")]
use crate::weights::eight_bits::Span;
use crate::weights::panel_product::PANEL;
#[cfg(target_arch = "x86_64")]
use crate::weights::prefetch;
use half::f16;
#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::{__m256i, __m512i};

/// Outputs of a tile.
pub(in crate::weights) const OUTPUTS: usize = PANEL;
/// Outputs of half a tile: a vector of AVX-512, two of AVX2.
pub(in crate::weights) const HALF: usize = OUTPUTS / 2;

/// A group of inputs of half a tile: a line of the cache.
pub(in crate::weights) type Line = [[u8; GROUP]; HALF];

/// `OUTPUTS` outputs by `SPAN` inputs of a weight, four inputs of an output beside each other, outputs after each other. The
/// lines of one half lie after those of the other: with one row of activations memory is what a product waits for, and it
/// gives what is read in its order up to twice as fast as every second line.
///
/// A weight is `scale · q − offset`, with integers `q` that may be products of a code and of an integer scale of some
/// inputs, so that its product with activations `x = d · x̂` is `d · (scale · Σ q x̂ − offset · Σ m x̂)`: two integers, which
/// every kernel computes exactly, and which all combine in the same order. So the bits of a product depend neither on the
/// instructions that a CPU has, nor on how many rows there are.
///
/// What kernels call for each tile is `#[inline]` in every type: a call would take the sums of all rows through memory, 15 % of
/// the time in which a model in Q8_0 reads a prompt.
///
/// # Safety
/// All bit patterns are values, zeros among them.
pub(in crate::weights) unsafe trait Tile:
    Clone + std::fmt::Debug + Send + Sync + 'static
{
    /// Inputs of a tile; activations have a scale for as many.
    const SPAN: usize;
    /// Inputs that share an integer scale.
    const SUB: usize;
    /// What a code stands for zero.
    const ZERO: u8 = 0;
    /// Whether weights have an offset besides what is folded into `dot`.
    const HAS_MINS: bool;
    /// Whether the backward pass takes integers, too, from a copy quantized along the outputs.
    const INTEGER_BACKWARD: bool = false;
    /// Whether [`Tile::lines`] gives the codes of short spans as AMX takes them.
    const LIES_IN_TILES: bool = false;
    /// Where a block as GGML stores it has its f16s.
    const SCALES: &'static [usize];
    const TYPE: &'static WeightType;

    /// Quantizes a block of one output, whose missing values are zero.
    fn quantize(&mut self, lane: usize, values: &[f32]);

    /// Takes a block of one output as GGML stores it.
    fn put(&mut self, lane: usize, block: &[u8]);

    /// `q` of an input of an output, as the products have it.
    fn integer(&self, lane: usize, input: usize) -> i32;

    /// The weight of an input of an output. Types with integer scales or mins say it themselves.
    fn value(&self, lane: usize, input: usize) -> f32 {
        self.integer(lane, input) as f32 * self.scales()[lane].to_f32()
    }

    /// The weights of one output; the same types as of `value` say it themselves.
    fn dequantize(&self, lane: usize, out: &mut [f32]) {
        let scale = self.scales()[lane].to_f32();
        out.iter_mut().enumerate().for_each(|(input, out)| *out = self.integer(lane, input) as f32 * scale);
    }

    /// The scale of each output.
    fn scales(&self) -> &[f16; OUTPUTS];

    /// The scale of the mins of each output.
    fn min_scales(&self) -> &[f16; OUTPUTS] {
        self.scales()
    }

    /// Asks for the scales of a tile further on, whatever is not in lines.
    #[cfg(target_arch = "x86_64")]
    #[inline(always)]
    fn ask_for_scales(&self) {
        prefetch::ahead(self.scales());
    }

    /// What is subtracted: `m` for every `SUB` inputs of an output.
    fn mins(&self, _lane: usize, _out: &mut [i32]) {}

    /// `Σ q x̂` of outputs `8 · eighth ..` with `M` rows.
    ///
    /// # Safety
    /// The CPU has AVX2; `x` has `M` rows of `SPAN` inputs.
    #[cfg(target_arch = "x86_64")]
    unsafe fn dot_avx2<const M: usize>(&self, eighth: usize, x: &Span) -> [__m256i; M];

    /// `Σ m x̂` of outputs `8 · eighth ..` with `M` rows.
    ///
    /// # Safety
    /// As for `dot_avx2`.
    #[cfg(target_arch = "x86_64")]
    unsafe fn mins_avx2<const M: usize>(&self, _eighth: usize, _x: &Span) -> [__m256i; M] {
        unreachable!("asked of a type without mins")
    }

    /// `Σ q x̂` of outputs `16 · half ..` with `M` rows.
    ///
    /// # Safety
    /// The CPU has AVX-512 F, BW and VNNI; `x` has `M` rows of `SPAN` inputs.
    #[cfg(target_arch = "x86_64")]
    unsafe fn dot_vnni<const M: usize>(&self, half: usize, x: &Span) -> [__m512i; M];

    /// `Σ m x̂` of outputs `16 · half ..` with `M` rows.
    ///
    /// # Safety
    /// As for `dot_vnni`.
    #[cfg(target_arch = "x86_64")]
    unsafe fn mins_vnni<const M: usize>(&self, _half: usize, _x: &Span) -> [__m512i; M] {
        unreachable!("asked of a type without mins")
    }

    /// The codes of outputs `16 · half ..`, unsigned, where they lie in lines.
    #[cfg(target_arch = "x86_64")]
    fn lines(&self, _half: usize) -> &[Line] {
        unreachable!("asked of a type whose codes do not lie in lines")
    }

    /// The codes of four inputs of outputs `16 · half ..`, in the order of a line.
    ///
    /// # Safety
    /// The CPU has AVX-512 F and BW.
    #[cfg(target_arch = "x86_64")]
    unsafe fn codes_vnni(&self, half: usize, group: usize) -> __m512i;

    /// The integer scale of `SUB` inputs of outputs `16 · half ..`, twice in 32 bits.
    ///
    /// # Safety
    /// The CPU has AVX-512 F and BW.
    #[cfg(target_arch = "x86_64")]
    unsafe fn integer_scales(&self, _half: usize, _sub: usize) -> __m512i {
        unreachable!("asked of a type without integer scales")
    }
}
