//! Frozen weights in the memory of a card: GGML's blocks as files have them, or dense in f32 or bf16.

mod few;
mod few_rows;
mod layout;
mod parts;
mod products;
mod staged;
#[cfg(all(test, feature = "cuda-emulator"))]
mod tests;
mod together;

use super::{FrozenMatrix, Operand, Purpose, RowBytes, WeightType};
use crate::error::{Code, Error, Result};
use crate::gpu::{self, Arg, Array, Element, Gpu};
use crate::tensor::Matrix;
use half::bf16;
use layout::Blocks;
pub(super) use parts::Term;
use rayon::prelude::*;
pub(super) use together::{all as products_of_parts, fit};

/// A weight, `[out_features, in_features]`.
#[derive(Debug)]
pub(crate) struct GpuWeight {
    shape: (usize, usize),
    storage: Storage,
}

#[derive(Debug)]
enum Storage {
    Blocks(Blocks),
    /// f32 or bf16.
    Dense(Array),
}

impl GpuWeight {
    /// The same blocks as those stored.
    pub(super) fn from_rows(gpu: &Gpu, kind: &WeightType, shape: [usize; 2], row: &RowBytes<'_>) -> Result<Self> {
        let blocks = Blocks::upload(gpu, kind, shape, row)?;
        Ok(GpuWeight { shape: shape.into(), storage: Storage::Blocks(blocks) })
    }

    /// The values in f32 or bf16.
    pub(super) fn dense(gpu: &Gpu, shape: [usize; 2], element: Element, values: &[f32]) -> Result<Self> {
        check_count(shape, values.len())?;
        let array = match element {
            Element::Bf16 => {
                let mut bits = crate::memory::reserved(values.len())?;
                values.par_iter().map(|value| bf16::from_f32(*value).to_bits()).collect_into_vec(&mut bits);
                Array::upload_bf16(gpu, &bits)?
            }
            _ => Array::upload_f32(gpu, values)?,
        };
        Ok(GpuWeight { shape: shape.into(), storage: Storage::Dense(array) })
    }

    /// The elements and rows of an operand that must be `width` wide.
    fn operand(x: &Matrix, width: usize) -> Result<(&Array, usize)> {
        if x.cols() == width {
            return Ok((x.array()?, x.rows()));
        }
        Err(Error::new(Code::Internal, format!("product of {:?} and a weight {width} wide", x.shape())))
    }

    /// Whether a product is added to what it goes on top of as it is made: one of many rows, all of one type.
    fn adds(&self, x: &Matrix, to: &Matrix, width: usize) -> Result<bool> {
        let same = x.array()?.element() == to.array()?.element();
        let exact = matches!(&self.storage, Storage::Dense(array) if array.element() == Element::F32);
        let fits = to.shape() == (x.rows(), width);
        Ok(same && fits && x.rows() > products::FEW_BLOCKS && (!exact || x.array()?.element() == Element::F32))
    }
}

impl FrozenMatrix for GpuWeight {
    fn shape(&self) -> (usize, usize) {
        self.shape
    }

    fn type_name(&self) -> &'static str {
        match &self.storage {
            Storage::Blocks(blocks) => blocks.name,
            Storage::Dense(array) => array.element().name(),
        }
    }

    fn bytes(&self, _: Purpose) -> u64 {
        match &self.storage {
            Storage::Blocks(blocks) => blocks.array.bytes() as u64,
            Storage::Dense(array) => array.bytes() as u64,
        }
    }

    fn product(&self, x: &Operand<'_>) -> Result<Matrix> {
        let (outputs, inputs) = self.shape;
        if fit(&[self], x) {
            return together::product(self, x);
        }
        let (from, rows) = Self::operand(x.matrix(), inputs)?;
        let y = match &self.storage {
            Storage::Blocks(blocks) if (1..=products::FEW_BLOCKS).contains(&rows) => {
                few_rows::product(blocks, self.shape, x)?
            }
            Storage::Blocks(blocks) => products::of_blocks(blocks, self.shape, from, rows)?,
            Storage::Dense(array) => products::of_dense(array, self.shape, from, rows)?,
        };
        Ok(Matrix::of_array(rows, outputs, y))
    }

    fn transposed_product(&self, dy: &Matrix) -> Result<Matrix> {
        let (outputs, inputs) = self.shape;
        let (dy, rows) = Self::operand(dy, outputs)?;
        let dx = match &self.storage {
            Storage::Blocks(blocks) => products::of_transposed_blocks(blocks, self.shape, dy, rows)?,
            Storage::Dense(array) => products::of_transposed_dense(array, self.shape, dy, rows)?,
        };
        Ok(Matrix::of_array(rows, inputs, dx))
    }

    fn add_product(&self, x: &Operand<'_>, y: &mut Matrix) -> Result<()> {
        let (outputs, inputs) = self.shape;
        if !self.adds(x.matrix(), y, outputs)? {
            return y.add(&self.product(x)?);
        }
        let (x, rows) = Self::operand(x.matrix(), inputs)?;
        match &self.storage {
            Storage::Blocks(blocks) => products::add_blocks(blocks, self.shape, x, rows, y.array_mut()?, 1.0),
            Storage::Dense(array) => products::add_dense(array, self.shape, x, rows, y.array_mut()?),
        }
    }

    fn add_transposed_product(&self, dy: &Matrix, dx: &mut Matrix) -> Result<()> {
        let (outputs, inputs) = self.shape;
        if !self.adds(dy, dx, inputs)? {
            return dx.add(&self.transposed_product(dy)?);
        }
        let (dy, rows) = Self::operand(dy, outputs)?;
        match &self.storage {
            Storage::Blocks(blocks) => {
                products::add_transposed_blocks(blocks, self.shape, dy, rows, dx.array_mut()?, 1.0)
            }
            Storage::Dense(array) => products::add_transposed_dense(array, self.shape, dy, rows, dx.array_mut()?),
        }
    }

    /// In f32, as the residual stream has it.
    fn gather(&self, ids: &[u32]) -> Result<Matrix> {
        let (outputs, inputs) = self.shape;
        if let Some(id) = ids.iter().find(|id| **id as usize >= outputs) {
            return Err(Error::new(Code::Internal, format!("row {id} of a weight of {outputs} rows")));
        }
        let (Storage::Blocks(Blocks { array, .. }) | Storage::Dense(array)) = &self.storage;
        let gpu = array.gpu();
        let indices = Array::upload_u32(gpu, ids)?;
        let mut out = Array::new(gpu, Element::F32, ids.len() * inputs)?;
        let to = out.at_mut(0);
        let (kernel, mut args) = match &self.storage {
            Storage::Blocks(blocks) => {
                let kernel = format!("gather_{}_f32", blocks.name);
                (kernel, vec![array.at(0), blocks.count.into()])
            }
            Storage::Dense(_) => (gpu::name("gather_rows", &[array.element(), Element::F32]), vec![array.at(0)]),
        };
        args.extend([indices.at(0), to, size(inputs)]);
        gpu.launch(&kernel, products::rows_of_octets(ids.len(), inputs), &args)?;
        Ok(Matrix::of_array(ids.len(), inputs, out))
    }

    fn takes_eight_bits(&self, rows: usize) -> bool {
        matches!(self.storage, Storage::Blocks(_)) && (1..=products::FEW).contains(&rows)
    }

    fn on_card(&self) -> Option<&GpuWeight> {
        Some(self)
    }

    fn workspace_bytes(&self) -> u64 {
        match &self.storage {
            Storage::Blocks(_) => products::workspace_bytes(self.shape),
            Storage::Dense(_) => 0,
        }
    }
}

fn check_count([rows, cols]: [usize; 2], count: usize) -> Result<()> {
    match rows.checked_mul(cols) == Some(count) {
        true => Ok(()),
        false => Err(Error::new(Code::Internal, format!("{count} values for a weight {rows} × {cols}"))),
    }
}

/// A size as kernels take it.
fn size(value: usize) -> Arg {
    Arg::from(value as u32)
}
