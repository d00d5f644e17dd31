//! A frozen weight in one of GGML's K-quants: 4.5 or 6.6 bits a weight, in blocks of 256 along a row.
//!
//! Products with many rows (training, reading a prompt) dequantize the weight to f32 a group of rows at a time, so the
//! gradient is exactly that of the dequantized weight. Products with few rows (writing token by token) are bound by the
//! weight's bytes, and are made in integers, as llama.cpp makes them, unless exact ones were asked for.

use super::dequantized::{self, Rows};
use super::ggml::{self, GgmlDType, Plain};
use super::{FrozenMatrix, Purpose, RowBytes, WeightType};
use crate::error::{Code, Error, Result};
use crate::memory;
use crate::tensor::columns::Columns;
use crate::tensor::{Buffer, Matrix, buffers};
use candle_core::quantized::k_quants::{BlockQ4K, BlockQ6K, BlockQ8K, GgmlType, QK_K};
use rayon::prelude::*;
use std::sync::Arc;

/// Rows of activations up to which reading the weight costs more than multiplying with it.
const FEW: usize = 8;
/// Outputs that one task makes; a multiple of four.
const TASK: usize = 32;

/// Q4_K; the output head in Q6_K, as llama.cpp's Q4_K_M has it.
pub(super) static Q4_K: WeightType =
    k_quant::<BlockQ4K>("q4_k", "Q4_K; the output head in Q6_K, as llama.cpp's Q4_K_M has it.", "q6_k", GgmlDType::Q4K);

/// Q6_K.
pub(super) static Q6_K: WeightType = k_quant::<BlockQ6K>("q6_k", "Q6_K.", "q6_k", GgmlDType::Q6K);

/// A block that a K-quant's rows are made of.
trait Block: Plain + GgmlType<VecDotType = BlockQ8K> + 'static {
    const TYPE: &'static WeightType;
}

impl Block for BlockQ4K {
    const TYPE: &'static WeightType = &Q4_K;
}

impl Block for BlockQ6K {
    const TYPE: &'static WeightType = &Q6_K;
}

const fn k_quant<T: Block>(
    name: &'static str,
    description: &'static str,
    head: &'static str,
    ggml: GgmlDType,
) -> WeightType {
    WeightType {
        name,
        description,
        ggml,
        block: QK_K,
        head,
        quantize: |shape, values, exact| Ok(Arc::new(KMatrix::<T>::quantize(shape, values, exact)?)),
        from_rows: |shape, row, exact| Ok(Arc::new(KMatrix::<T>::from_rows(shape, row, exact)?)),
    }
}

/// A weight of blocks of one type, `[out_features, in_features]`.
struct KMatrix<T> {
    outputs: usize,
    inputs: usize,
    blocks: Vec<T>,
    exact: bool,
}

impl<T: Block> KMatrix<T> {
    fn quantize([outputs, inputs]: [usize; 2], values: &[f32], exact: bool) -> Result<Self> {
        check_width(inputs)?;
        let count = outputs * (inputs / QK_K);
        let mut blocks = memory::reserved(count)?;
        blocks.resize(count, T::zeros());
        blocks
            .par_chunks_mut(inputs / QK_K)
            .zip(values.par_chunks(inputs))
            .for_each(|(out, row)| T::from_float(row, out));
        Ok(KMatrix { outputs, inputs, blocks, exact })
    }

    fn from_rows([outputs, inputs]: [usize; 2], row: &RowBytes<'_>, exact: bool) -> Result<Self> {
        check_width(inputs)?;
        let mut blocks = memory::reserved(outputs * (inputs / QK_K))?;
        for index in 0..outputs {
            let found: Vec<T> = ggml::blocks(row(index)?);
            if found.len() != inputs / QK_K {
                let message = format!("row {index} has {} blocks; expected {}", found.len(), inputs / QK_K);
                return Err(Error::new(Code::Internal, message));
            }
            blocks.extend(found);
        }
        Ok(KMatrix { outputs, inputs, blocks, exact })
    }

    fn blocks(&self, row: usize) -> &[T] {
        let width = self.inputs / QK_K;
        &self.blocks[row * width..][..width]
    }
}

impl<T: Block> Rows for KMatrix<T> {
    fn shape(&self) -> (usize, usize) {
        (self.outputs, self.inputs)
    }

    fn row(&self, index: usize, out: &mut [f32]) {
        T::to_float(self.blocks(index), out);
    }
}

impl<T: Block> KMatrix<T> {
    /// `x [rows, inputs]` times the transpose, with activations quantized to 8 bits.
    fn integer_product(&self, x: &[f32], rows: usize) -> Result<Buffer> {
        let (width, n) = (self.inputs / QK_K, self.inputs);
        let mut quantized = vec![BlockQ8K::zeros(); rows * width];
        quantized.par_chunks_mut(width).zip(x.par_chunks(n)).for_each(|(out, row)| BlockQ8K::from_float(row, out));
        let mut y = buffers::take(rows * self.outputs)?;
        let out = Columns::of(&mut y, self.outputs);
        (0..self.outputs.div_ceil(TASK)).into_par_iter().for_each(|task| {
            let end = self.outputs.min((task + 1) * TASK);
            for first in (task * TASK..end).step_by(4) {
                for (row, x) in quantized.chunks_exact(width).enumerate() {
                    if first + 4 <= end {
                        let w = |i: usize| self.blocks(first + i);
                        let (a, b, c, d) = T::vec_dot_4(n, w(0), w(1), w(2), w(3), x);
                        out.write(row, first, 4, &[a, b, c, d]);
                    } else {
                        for output in first..end {
                            out.write(row, output, 1, &[T::vec_dot(n, self.blocks(output), x)]);
                        }
                    }
                }
            }
        });
        Ok(y)
    }
}

impl<T: Block> FrozenMatrix for KMatrix<T> {
    fn shape(&self) -> (usize, usize) {
        (self.outputs, self.inputs)
    }

    fn type_name(&self) -> &'static str {
        T::TYPE.name
    }

    fn bytes(&self, _: Purpose) -> u64 {
        (self.blocks.len() * size_of::<T>()) as u64
    }

    fn product(&self, x: &Matrix) -> Result<Matrix> {
        let (x, rows) = dequantized::operand(x, self.inputs)?;
        // Integers would hide what is not a number.
        let in_integers = !self.exact && rows <= FEW && x.iter().all(|v| v.is_finite());
        let y = match in_integers {
            true => self.integer_product(x, rows)?,
            false => dequantized::product(self, x, rows)?,
        };
        Ok(Matrix::host(rows, self.outputs, y))
    }

    fn transposed_product(&self, dy: &Matrix) -> Result<Matrix> {
        let (dy, rows) = dequantized::operand(dy, self.outputs)?;
        Ok(Matrix::host(rows, self.inputs, dequantized::transposed_product(self, dy, rows)?))
    }

    fn gather(&self, ids: &[u32]) -> Result<Matrix> {
        dequantized::gather(self, ids)
    }

    fn workspace_bytes(&self) -> u64 {
        dequantized::group_bytes((self.outputs, self.inputs))
    }
}

fn check_width(inputs: usize) -> Result<()> {
    match inputs.is_multiple_of(QK_K) && inputs > 0 {
        true => Ok(()),
        false => {
            Err(Error::new(Code::Internal, format!("rows of {inputs} weights; K-quants need a multiple of {QK_K}")))
        }
    }
}

impl<T: Block> std::fmt::Debug for KMatrix<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}({} × {})", T::TYPE.name, self.outputs, self.inputs)
    }
}
