//! Frozen weights: one implementation of [`FrozenMatrix`] for each way in which they are stored, and the table of them.
#![allow(unsafe_code)]

#[cfg(target_arch = "x86_64")]
mod amx;
#[cfg(target_arch = "x86_64")]
mod bf16;
mod dense;
mod dequantized;
mod eight_bits;
pub(crate) mod ggml;
mod gpu;
mod kernel;
mod linear;
mod memory;
mod operand;
mod panel_product;
#[cfg(target_arch = "x86_64")]
mod prefetch;
mod quantize;
mod quantized;
mod sums;
#[cfg(test)]
mod tests;

pub use dense::Dtype;
pub(crate) use dense::{Dense, DenseType};
pub(crate) use linear::{Linear, Part};
pub(crate) use operand::{Operand, room_for_eight_bits};
pub use quantize::Quantize;
pub(crate) use sums::{Sum, Up, products};

use crate::error::Result;
use crate::tensor::{Device, Matrix};
use ggml::GgmlDType;
use gpu::GpuWeight;
pub(crate) use panel_product::Join;
use panel_product::PanelProduct;
use std::ops::Range;
use std::sync::Arc;

/// Whether this CPU has AMX and this process may use it.
#[cfg(target_arch = "x86_64")]
pub(crate) fn multiplies_in_tiles() -> bool {
    amx::permitted()
}

/// What memory is counted for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    Inference,
    /// With what the backward pass adds.
    Training,
}

/// A matrix that training never changes, `[out_features, in_features]`. It has no gradient, so none is computed.
pub(crate) trait FrozenMatrix: Send + Sync + std::fmt::Debug {
    /// `(out_features, in_features)`
    fn shape(&self) -> (usize, usize);

    /// The name of the type it is kept in.
    fn type_name(&self) -> &'static str;

    /// Bytes held.
    fn bytes(&self, purpose: Purpose) -> u64;

    /// `x [rows, in]` → `x Wᵀ [rows, out]`
    fn product(&self, x: &Operand<'_>) -> Result<Matrix>;

    /// Whether it is made panel by panel.
    fn has_panels(&self) -> bool {
        false
    }

    /// The same, yet to be made, where it is made panel by panel.
    fn by_panels<'a>(&'a self, _x: &'a Operand<'_>) -> Result<Option<Box<dyn PanelProduct + 'a>>> {
        Ok(None)
    }

    /// `dy [rows, out]` → `dy W [rows, in]`
    fn transposed_product(&self, dy: &Matrix) -> Result<Matrix>;

    /// Adds `x Wᵀ` to `y`.
    fn add_product(&self, x: &Operand<'_>, y: &mut Matrix) -> Result<()> {
        y.add(&self.product(x)?)
    }

    /// Adds `dy W` to `dx`.
    fn add_transposed_product(&self, dy: &Matrix, dx: &mut Matrix) -> Result<()> {
        dx.add(&self.transposed_product(dy)?)
    }

    /// Rows by index, dequantized: the lookup of an embedding. The caller checks the ids.
    fn gather(&self, ids: &[u32]) -> Result<Matrix>;

    /// Whether products forward round their operands to bf16, or to integers.
    fn rounds_inputs(&self) -> bool {
        self.rounds_operands()
    }

    /// Whether products, forward and backward, round their operands to bf16, or to integers.
    fn rounds_operands(&self) -> bool {
        false
    }

    /// Bytes of the copy that a backward product makes of an operand of so many elements, if it rounds it.
    fn operand_bytes(&self, _elements: u64) -> u64 {
        0
    }

    /// Whether products of so many rows take them in 8 bits, as a kernel that makes the rows can give them on a card.
    fn takes_eight_bits(&self, _rows: usize) -> bool {
        false
    }

    /// The weight in the memory of a card, if it is there.
    fn on_card(&self) -> Option<&GpuWeight> {
        None
    }

    /// Bytes of the rows that a product dequantizes at the same time.
    fn workspace_bytes(&self) -> u64 {
        0
    }
}

/// A type that weights are quantized to, and kept in where a file has it.
pub(crate) struct WeightType {
    /// Its name in options, and in what the model says of itself.
    pub(crate) name: &'static str,
    /// What the schema of the options says of it.
    pub(crate) description: &'static str,
    /// The type of GGML's whose blocks it keeps.
    pub(crate) ggml: GgmlDType,
    /// Where such a block has its f16s: scales, and scales of mins.
    pub(crate) scales: &'static [usize],
    /// What the width of a matrix must be a multiple of.
    pub(crate) block: usize,
    /// What a matrix takes in its place whose width is no multiple of that, as llama.cpp has it; else [`FALLBACK`].
    pub(crate) fallback: Option<&'static str>,
    /// What the output head takes in its place when a model is quantized, as llama.cpp's mixtures have it.
    pub(crate) head: &'static str,
    /// How its blocks lie on a card.
    pub(crate) on_card: OnCard,
    /// Quantizes `values`, row by row. With `exact`, all products are those of the dequantized weight.
    pub(crate) quantize: fn(shape: [usize; 2], values: &[f32], exact: bool) -> Made,
    /// Takes rows as GGML stores them.
    pub(crate) from_rows: fn(shape: [usize; 2], row: &RowBytes<'_>, exact: bool) -> Made,
}

/// How the blocks of a type lie on a card, as its kernels read them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OnCard {
    /// The bytes of a block that each plane has: a part that would not be aligned in a block has one of its own.
    pub(crate) planes: &'static [Range<usize>],
    /// Weights that a lane of a product multiplies at a time.
    pub(crate) piece: usize,
    /// Whether 16 bytes hold two halves of a block, or 16 weights share a scale (`fragments::Order`).
    pub(crate) half_order: bool,
    /// Of blocks of 256: bytes of one that products of some rows copy to shared memory (`staged.cu`).
    pub(crate) staged: Option<usize>,
}

/// A weight, or why there is none.
pub(crate) type Made = Result<Arc<dyn FrozenMatrix>>;

/// The stored bytes of a row.
pub(crate) type RowBytes<'a> = dyn Fn(usize) -> Result<&'a [u8]> + Sync + 'a;

/// Every type that weights are kept in besides dense ones.
pub(crate) static TYPES: [&WeightType; 6] = [
    &quantized::types::q8_0::Q8_0,
    &quantized::types::q4_0::Q4_0,
    &quantized::types::q5_0::Q5_0,
    &quantized::types::q4_k::Q4_K,
    &quantized::types::q5_k::Q5_K,
    &quantized::types::q6_k::Q6_K,
];

/// The type that takes the place of one that is not kept, and that fits every width.
pub(crate) static FALLBACK: &WeightType = &quantized::types::q8_0::Q8_0;

impl WeightType {
    /// The type of that name.
    pub(crate) fn named(name: &str) -> Option<&'static WeightType> {
        TYPES.into_iter().find(|kind| kind.name == name)
    }

    /// This type, or the first of those that take its place whose blocks fit a width.
    pub(crate) fn fitting(&'static self, width: usize) -> &'static WeightType {
        match width.is_multiple_of(self.block) {
            true => self,
            false => self.fallback.and_then(WeightType::named).unwrap_or(FALLBACK).fitting(width),
        }
    }

    /// A weight in the memory of a device, quantized from `values`.
    pub(crate) fn quantized(&self, device: &Device, shape: [usize; 2], values: &[f32], exact: bool) -> Made {
        let Some(gpu) = device.gpu() else { return (self.quantize)(shape, values, exact) };
        let (rows, row_bytes) = ggml::quantize(self.ggml, shape, values)?;
        let row = |index: usize| Ok(&rows[index * row_bytes..(index + 1) * row_bytes]);
        Ok(Arc::new(GpuWeight::from_rows(gpu, self, shape, &row)?))
    }

    /// A weight in the memory of a device, of rows as GGML stores them.
    pub(crate) fn stored(&self, device: &Device, shape: [usize; 2], row: &RowBytes<'_>, exact: bool) -> Made {
        match device.gpu() {
            Some(gpu) => Ok(Arc::new(GpuWeight::from_rows(gpu, self, shape, row)?)),
            None => (self.from_rows)(shape, row, exact),
        }
    }

    /// Whether blocks as GGML stores them are finite numbers. Their scales tell: the rest are integers, so that a value is
    /// infinite or not a number if a scale is, and never else.
    pub(crate) fn is_finite(&self, bytes: &[u8]) -> bool {
        const EXPONENT: u16 = 0x7c00;
        let is_finite = |low: u8, high: u8| u16::from_le_bytes([low, high]) & EXPONENT != EXPONENT;
        let mut blocks = bytes.chunks_exact(self.ggml.type_size());
        blocks.all(|block| self.scales.iter().all(|&at| is_finite(block[at], block[at + 1])))
    }

    /// The type that keeps the blocks of a type of GGML's.
    pub(crate) fn of_ggml(dtype: GgmlDType) -> Option<&'static WeightType> {
        TYPES.into_iter().find(|kind| kind.ggml == dtype)
    }
}

impl std::fmt::Debug for WeightType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

impl PartialEq for WeightType {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}
