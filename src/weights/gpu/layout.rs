//! How GGML's blocks lie on a card: the parts of a block that would not be aligned in planes of their own, as `blocks.cuh`
//! has them.

use crate::error::{Code, Error, Result};
use crate::gpu::{Array, Element, Gpu};
use crate::memory;
use crate::weights::RowBytes;
use crate::weights::ggml::GgmlDType;
use rayon::prelude::*;
use std::ops::Range;

/// A type of blocks that kernels read.
#[derive(Debug)]
pub(super) struct Format {
    ggml: GgmlDType,
    /// As kernels and options call it.
    pub(super) name: &'static str,
    /// The bytes of a block that each plane has.
    planes: &'static [Range<usize>],
    /// What a lane of a product multiplies at a time, in weights.
    pub(super) piece: usize,
}

static FORMATS: [Format; 6] = [
    Format { ggml: GgmlDType::Q8_0, name: "q8_0", planes: &[2..34, 0..2], piece: 16 },
    Format { ggml: GgmlDType::Q4_0, name: "q4_0", planes: &[2..18, 0..2], piece: 32 },
    Format { ggml: GgmlDType::Q5_0, name: "q5_0", planes: &[6..22, 2..6, 0..2], piece: 32 },
    Format { ggml: GgmlDType::Q4K, name: "q4_k", planes: &[0..144], piece: 32 },
    Format { ggml: GgmlDType::Q5K, name: "q5_k", planes: &[0..176], piece: 32 },
    Format { ggml: GgmlDType::Q6K, name: "q6_k", planes: &[0..208, 208..210], piece: 32 },
];

/// Bytes that are copied to a card at the same time.
const UPLOAD: usize = 64 << 20;

/// A matrix of blocks on a card.
#[derive(Debug)]
pub(super) struct Blocks {
    pub(super) format: &'static Format,
    pub(super) array: Array,
    /// Of all rows.
    pub(super) count: u64,
}

impl Format {
    fn of(ggml: GgmlDType) -> Result<&'static Format> {
        FORMATS.iter().find(|format| format.ggml == ggml).ok_or_else(|| {
            Error::new(
                Code::Internal,
                format!("no kernel of a GPU's reads {ggml:?}; such weights are kept in another type"),
            )
        })
    }
}

impl Blocks {
    /// The blocks of a file, row by row; the last of a row may have more weights than are left.
    pub(super) fn upload(
        gpu: &Gpu,
        ggml: GgmlDType,
        [outputs, inputs]: [usize; 2],
        row: &RowBytes<'_>,
    ) -> Result<Self> {
        let format = Format::of(ggml)?;
        let (row_blocks, size) = (inputs.div_ceil(ggml.block_size()), ggml.type_size());
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
        for plane in format.planes {
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
        Ok(Blocks { format, array, count: count as u64 })
    }
}
