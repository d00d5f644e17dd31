//! How GGML's blocks lie on a card: the parts of a block that would not be aligned in planes of their own, as `blocks.cuh`
//! has them.

use crate::error::{Code, Error, Result};
use crate::gpu::{Array, Element, Gpu};
use crate::memory;
use crate::weights::{OnCard, RowBytes, TYPES, WeightType};
use rayon::prelude::*;

/// Bytes that are copied to a card at the same time.
const UPLOAD: usize = 64 << 20;

/// A matrix of blocks on a card.
#[derive(Debug)]
pub(super) struct Blocks {
    /// The type's name, as kernels have it too.
    pub(super) name: &'static str,
    /// The type's place in the table of types, as kernels know it.
    pub(super) kind: u32,
    pub(super) on_card: OnCard,
    pub(super) array: Array,
    /// Of all rows.
    pub(super) count: u64,
}

impl Blocks {
    /// The blocks of a file, row by row; the last of a row may have more weights than are left.
    pub(super) fn upload(
        gpu: &Gpu,
        kind: &WeightType,
        [outputs, inputs]: [usize; 2],
        row: &RowBytes<'_>,
    ) -> Result<Self> {
        let (name, on_card) = (kind.name, kind.on_card);
        let (row_blocks, size) = (inputs.div_ceil(kind.ggml.block_size()), kind.ggml.type_size());
        let row = |index: usize| {
            let bytes = row(index)?;
            let expected = row_blocks * size;
            if bytes.len() == expected {
                return Ok(bytes);
            }
            let message = format!("a row of {inputs} weights has {} bytes; expected {expected}", bytes.len());
            Err(Error::new(Code::Internal, message))
        };
        let count = outputs * row_blocks;
        let mut array = Array::new(gpu, Element::U8, count * size)?;
        let at_once = (UPLOAD / (row_blocks * size).max(1)).clamp(1, outputs.max(1));
        let mut plane_start = 0;
        for plane in on_card.planes {
            let row_bytes = row_blocks * plane.len();
            let mut buffer: Vec<u8> = memory::reserved(at_once * row_bytes)?;
            for first in (0..outputs).step_by(at_once) {
                buffer.resize(at_once.min(outputs - first) * row_bytes, 0);
                buffer.par_chunks_mut(row_bytes.max(1)).enumerate().try_for_each(|(i, out)| -> Result<()> {
                    let blocks = row(first + i)?.chunks_exact(size);
                    out.chunks_exact_mut(plane.len()).zip(blocks).for_each(|(out, block)| {
                        out.copy_from_slice(&block[plane.clone()]);
                    });
                    Ok(())
                })?;
                array.write_bytes(plane_start + first * row_bytes, &buffer)?;
            }
            plane_start += count * plane.len();
        }
        let kind = TYPES.iter().position(|of_table| *of_table == kind).unwrap_or(TYPES.len()) as u32;
        Ok(Blocks { name, kind, on_card, array, count: count as u64 })
    }
}
