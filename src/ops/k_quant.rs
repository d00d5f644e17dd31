//! A frozen weight in one of GGML's K-quants: 4.5 or 6.6 bits a weight, in blocks of 256 along a row.
//!
//! Products with many rows (training, reading a prompt) widen the weight to f32 a group of rows at a time, so the
//! gradient is exactly that of the dequantized weight. Products with few rows (writing token by token) are bound by the
//! weight's bytes, and are made in integers, as llama.cpp makes them, unless exact ones were asked for.

use super::buffers;
use super::ggml::{self, Plain};
use super::host::{self, Columns, View};
use super::widened::{self, Rows};
use crate::error::{Code, Error, Result};
use crate::memory;
use candle_core::Tensor;
use candle_core::quantized::k_quants::{BlockQ4K, BlockQ6K, BlockQ8K, GgmlType, QK_K};
use rayon::prelude::*;

/// Rows of activations up to which reading the weight costs more than multiplying with it.
const FEW: usize = 8;
/// Outputs that one task makes; a multiple of four.
const TASK: usize = 32;

/// The K-quants that weights are kept in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KType {
    Q4K,
    Q6K,
}

/// A weight in a K-quant, `[out_features, in_features]`.
#[derive(Debug)]
pub(crate) struct KWeight {
    kind: KType,
    blocks: Box<dyn Blocks>,
    exact: bool,
}

impl KWeight {
    /// Rows of these many weights are whole blocks.
    pub(crate) const BLOCK: usize = QK_K;

    /// Quantizes a dense f32 host tensor. With `exact`, all products are those of the dequantized weight.
    pub(crate) fn quantize(kind: KType, weight: &Tensor, exact: bool) -> Result<Self> {
        let (outputs, inputs) = weight.dims2()?;
        check_width(inputs)?;
        let view = View::of(weight)?;
        let values: &[f32] = &view;
        Ok(KWeight {
            kind,
            exact,
            blocks: match kind {
                KType::Q4K => Box::new(Matrix::<BlockQ4K>::quantize(outputs, inputs, values)?),
                KType::Q6K => Box::new(Matrix::<BlockQ6K>::quantize(outputs, inputs, values)?),
            },
        })
    }

    /// A weight as GGML stores it: row `i` is `row(i)`.
    pub(crate) fn from_rows<'a>(
        kind: KType,
        shape: [usize; 2],
        row: impl Fn(usize) -> Result<&'a [u8]>,
        exact: bool,
    ) -> Result<Self> {
        let blocks: Box<dyn Blocks> = match kind {
            KType::Q4K => Box::new(Matrix::<BlockQ4K>::from_rows(shape, row)?),
            KType::Q6K => Box::new(Matrix::<BlockQ6K>::from_rows(shape, row)?),
        };
        Ok(KWeight { kind, blocks, exact })
    }

    /// Which K-quant.
    pub(crate) fn kind(&self) -> KType {
        self.kind
    }

    /// `(out_features, in_features)`
    pub(crate) fn shape(&self) -> (usize, usize) {
        self.blocks.shape()
    }

    /// Bytes held.
    pub(crate) fn bytes(&self) -> u64 {
        self.blocks.bytes() as u64
    }

    /// `x [rows, in]` → `x Wᵀ`.
    pub(crate) fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let (outputs, inputs) = self.shape();
        let rows = widened::check(x, inputs)?;
        let view = View::of(x)?;
        // Integers would hide what is not a number.
        let in_integers = !self.exact && rows <= FEW && view.iter().all(|v| v.is_finite());
        let y = match in_integers {
            true => self.blocks.integer_product(&view, rows)?,
            false => widened::product(&*self.blocks, &view, rows)?,
        };
        host::tensor(y, rows, outputs)
    }

    /// `dy [rows, out]` → `dy W`.
    pub(crate) fn backward(&self, dy: &Tensor) -> Result<Tensor> {
        let (outputs, inputs) = self.shape();
        let rows = widened::check(dy, outputs)?;
        host::tensor(widened::transposed_product(&*self.blocks, &View::of(dy)?, rows)?, rows, inputs)
    }

    /// Rows of the weight, widened: the lookup of an embedding.
    pub(crate) fn rows(&self, ids: &[u32]) -> Result<Tensor> {
        widened::gather(&*self.blocks, ids)
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

trait Blocks: Rows + Send + std::fmt::Debug {
    /// `x [rows, inputs]` times the transpose, with activations quantized to 8 bits.
    fn integer_product(&self, x: &[f32], rows: usize) -> Result<Vec<f32>>;

    /// Bytes held.
    fn bytes(&self) -> usize;
}

/// Rows of blocks of one type.
struct Matrix<T> {
    outputs: usize,
    inputs: usize,
    blocks: Vec<T>,
}

impl<T: Plain> Matrix<T> {
    fn quantize(outputs: usize, inputs: usize, values: &[f32]) -> Result<Self> {
        let count = outputs * (inputs / QK_K);
        let mut blocks = memory::reserved(count)?;
        blocks.resize(count, T::zeros());
        blocks
            .par_chunks_mut(inputs / QK_K)
            .zip(values.par_chunks(inputs))
            .for_each(|(out, row)| T::from_float(row, out));
        Ok(Matrix { outputs, inputs, blocks })
    }

    fn from_rows<'a>([outputs, inputs]: [usize; 2], row: impl Fn(usize) -> Result<&'a [u8]>) -> Result<Self> {
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
        Ok(Matrix { outputs, inputs, blocks })
    }

    fn blocks(&self, row: usize) -> &[T] {
        let width = self.inputs / QK_K;
        &self.blocks[row * width..][..width]
    }
}

impl<T: Plain> Rows for Matrix<T> {
    fn shape(&self) -> (usize, usize) {
        (self.outputs, self.inputs)
    }

    fn row(&self, index: usize, out: &mut [f32]) {
        T::to_float(self.blocks(index), out);
    }
}

impl<T: Plain + GgmlType<VecDotType = BlockQ8K>> Blocks for Matrix<T> {
    fn integer_product(&self, x: &[f32], rows: usize) -> Result<Vec<f32>> {
        let (width, n) = (self.inputs / QK_K, self.inputs);
        let mut activations = vec![BlockQ8K::zeros(); rows * width];
        activations.par_chunks_mut(width).zip(x.par_chunks(n)).for_each(|(out, row)| BlockQ8K::from_float(row, out));
        let mut y = buffers::take(rows * self.outputs)?;
        let out = Columns::of(&mut y, self.outputs);
        (0..self.outputs.div_ceil(TASK)).into_par_iter().for_each(|task| {
            let end = self.outputs.min((task + 1) * TASK);
            for first in (task * TASK..end).step_by(4) {
                for (row, x) in activations.chunks_exact(width).enumerate() {
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

    fn bytes(&self) -> usize {
        self.blocks.len() * size_of::<T>()
    }
}

impl<T> std::fmt::Debug for Matrix<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Matrix({} × {})", self.outputs, self.inputs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{assert_close, flat, normal, relative_error};

    const KINDS: [KType; 2] = [KType::Q4K, KType::Q6K];
    /// Rows, inputs, outputs: few rows and many, outputs that fill no task and more than one group.
    const SHAPES: [(usize, usize, usize); 4] = [(1, 256, 1), (3, 512, 39), (9, 256, 67), (20, 768, 600)];

    fn dequantized(weight: &KWeight) -> Tensor {
        weight.rows(&(0..weight.shape().0 as u32).collect::<Vec<_>>()).unwrap()
    }

    #[test]
    fn products_and_gradients_are_those_of_the_dequantized_weight() {
        for kind in KINDS {
            for (rows, inputs, outputs) in SHAPES {
                let (x, w, dy) = (normal((rows, inputs), 1), normal((outputs, inputs), 2), normal((rows, outputs), 3));
                let q = KWeight::quantize(kind, &w, true).unwrap();
                let dense = dequantized(&q);
                let lost = relative_error(&dense, &w);
                assert!(lost < if kind == KType::Q4K { 0.12 } else { 0.03 }, "{kind:?}: {lost}");
                assert_close(&q.forward(&x).unwrap(), &x.matmul(&dense.t().unwrap()).unwrap(), 1e-5);
                assert_close(&q.backward(&dy).unwrap(), &dy.matmul(&dense).unwrap(), 1e-5);
            }
        }
    }

    #[test]
    fn integer_products_of_few_rows_are_close() {
        for kind in KINDS {
            for (rows, inputs, outputs) in SHAPES {
                let (x, w) = (normal((rows, inputs), 1), normal((outputs, inputs), 2));
                let (fast, exact) =
                    (KWeight::quantize(kind, &w, false).unwrap(), KWeight::quantize(kind, &w, true).unwrap());
                let (fast, exact) = (fast.forward(&x).unwrap(), exact.forward(&x).unwrap());
                assert_close(&fast, &exact, 2e-2);
                assert_eq!(flat(&fast) == flat(&exact), rows > FEW, "{rows} rows of {kind:?}");
            }
        }
    }

    #[test]
    fn blocks_from_a_file_are_taken_as_they_are() {
        let w = normal((5, 512), 4);
        for kind in KINDS {
            let q = KWeight::quantize(kind, &w, true).unwrap();
            let dtype = match kind {
                KType::Q4K => candle_core::quantized::GgmlDType::Q4K,
                KType::Q6K => candle_core::quantized::GgmlDType::Q6K,
            };
            let stored = candle_core::quantized::QTensor::quantize(&w, dtype).unwrap();
            // One byte off, so that nothing is aligned.
            let bytes = [&[0u8], &*stored.data().unwrap()].concat();
            let size = ggml::row_bytes(dtype, 512).unwrap();
            let row = |i: usize| Ok(&bytes[1 + i * size..][..size]);
            let read = KWeight::from_rows(kind, [5, 512], row, true).unwrap();
            assert_eq!(flat(&dequantized(&read)), flat(&dequantized(&q)));
            assert_eq!(read.bytes() as usize, 5 * size);
            assert!(KWeight::from_rows(kind, [5, 512], |i| row(i).map(|r| &r[1..]), true).is_err());
        }
    }

    #[test]
    fn what_is_not_a_number_stays_visible_and_widths_are_checked() {
        let mut data = vec![1.0f32; 256];
        data[40] = f32::NAN;
        let x = Tensor::from_vec(data, (1, 256), &candle_core::Device::Cpu).unwrap();
        let y = KWeight::quantize(KType::Q4K, &normal((3, 256), 1), false).unwrap().forward(&x).unwrap();
        assert!(flat(&y).iter().all(|v| v.is_nan()), "{y}");
        assert!(KWeight::quantize(KType::Q4K, &normal((3, 250), 1), false).is_err());
    }

    #[test]
    fn a_weight_takes_the_bits_that_its_type_has() {
        for (kind, bits) in [(KType::Q4K, 4.5), (KType::Q6K, 6.5625)] {
            let q = KWeight::quantize(kind, &normal((64, 512), 1), false).unwrap();
            assert_eq!(q.bytes() as f64 * 8.0, 64.0 * 512.0 * bits);
        }
    }
}
