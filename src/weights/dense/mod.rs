//! A dense weight in f32 or bf16.

#[cfg(target_arch = "x86_64")]
mod bf16;
mod kernel;
mod pairs;
mod panels;
#[cfg(target_arch = "x86_64")]
mod rounded_product;
#[cfg(test)]
mod tests;

use super::dequantized;
use super::gpu::GpuWeight;
use super::panel_product::{self, PanelProduct};
use super::{FrozenMatrix, Operand, Purpose};
use crate::error::{Code, Error, Result};
use crate::gpu::Element;
use crate::tensor::{Device, Form, Matrix};
use candle_core::{DType, Tensor};
use pairs::{Bf16Pair, F16Pair, F32Pair, NARROW, Pair, WIDE};
use panels::{Packed, Panels};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The type in which dense weights are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Dtype {
    /// bf16 on a GPU; on the CPU bf16 where the model's files have it, else f32.
    Auto,
    /// 32 bits.
    F32,
    /// 16 bits, with the exponent of f32.
    Bf16,
}

/// The type that dense weights of a model are kept in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DenseType(DType);

impl DenseType {
    /// What the `dtype` option means on a device, for a model whose files have bf16 or not.
    pub(crate) fn on(device: &Device, option: Dtype, stored_in_bf16: bool) -> Self {
        let dtype = match option {
            Dtype::Auto if device.name() == "cpu" && !stored_in_bf16 => DType::F32,
            Dtype::Auto | Dtype::Bf16 => DType::BF16,
            Dtype::F32 => DType::F32,
        };
        DenseType(dtype)
    }

    /// The type of activations beside weights of this type, where they are not always f32.
    pub(crate) fn activation_type(self) -> Element {
        if self.0 == DType::F32 { Element::F32 } else { Element::Bf16 }
    }

    /// `f32` or `bf16`.
    pub(crate) fn name(self) -> &'static str {
        self.0.as_str()
    }
}

/// A dense weight, `[out_features, in_features]`.
#[derive(Debug)]
pub(crate) struct Dense {
    shape: (usize, usize),
    storage: Storage,
}

#[derive(Debug)]
enum Storage {
    Packed(Box<dyn Packed>),
    /// Of candle's; bf16 meets operands of its own type, activations stay f32.
    Tensor(Tensor),
    /// On a card.
    Gpu(GpuWeight),
}

impl Dense {
    /// A weight from the values that a file has. With `exact`, products on the CPU are those of f32.
    pub(crate) fn new(
        [rows, cols]: [usize; 2],
        values: Vec<f32>,
        kind: DenseType,
        exact: bool,
        device: &Device,
    ) -> Result<Self> {
        if let Some(gpu) = device.gpu() {
            let storage = Storage::Gpu(GpuWeight::dense(gpu, [rows, cols], kind.activation_type(), &values)?);
            return Ok(Dense { shape: (rows, cols), storage });
        }
        let storage = match (kind.0, device.candle()) {
            (dtype, Some(device)) => {
                let tensor = Tensor::from_vec(values, (rows, cols), &candle_core::Device::Cpu)?;
                Storage::Tensor(tensor.to_dtype(dtype)?.to_device(device)?)
            }
            (DType::F32, None) if rows <= WIDE - NARROW => {
                Storage::Packed(Box::new(Panels::<F32Pair<NARROW>, NARROW>::new(rows, cols, &values)?))
            }
            (DType::F32, None) => Storage::Packed(Box::new(Panels::<F32Pair<WIDE>, WIDE>::new(rows, cols, &values)?)),
            (DType::BF16, None) => Storage::Packed(bf16_panels([rows, cols], &values, exact)?),
            (dtype, None) => {
                return Err(Error::new(Code::Internal, format!("a weight in {} in host memory", dtype.as_str())));
            }
        };
        Ok(Dense { shape: (rows, cols), storage })
    }

    /// One of an adapter's matrices, which is in host memory, in f32 or in f16; and what its numbers are to be multiplied with: of f16 a
    /// power of two, so that the largest is near the end of what an f16 can hold, and those down to 2⁻²⁸ of it keep all of its
    /// bits. Numbers that are too large or too small for that stay in f32.
    pub(crate) fn of_adapter(matrix: &Matrix, in_f16: bool) -> Result<(Self, f32)> {
        let (shape, values) = (matrix.shape(), matrix.slice()?);
        let (storage, unit) = match in_f16.then(|| factor_for_f16(values)).flatten() {
            None => (one_of_many::<F32Pair<NARROW>, F32Pair<WIDE>>(shape, values)?, 1.0),
            Some(up) => {
                let scaled: Vec<f32> = values.iter().map(|value| value * up).collect();
                (one_of_many::<F16Pair<NARROW>, F16Pair<WIDE>>(shape, &scaled)?, 1.0 / up)
            }
        };
        Ok((Dense { shape, storage: Storage::Packed(storage) }, unit))
    }

    /// The product with rows of f32, which are not rounded, where it is made panel by panel.
    pub(super) fn by_panels_of_f32<'a>(&'a self, x: &'a [f32]) -> Option<Box<dyn PanelProduct + 'a>> {
        match &self.storage {
            Storage::Packed(panels) => panels.times_rows(x),
            Storage::Tensor(_) | Storage::Gpu(_) => None,
        }
    }

    /// A weight in f32, where the matrix is.
    pub(crate) fn f32(matrix: &Matrix) -> Result<Self> {
        Self::new([matrix.rows(), matrix.cols()], matrix.values()?, DenseType(DType::F32), true, &matrix.device())
    }
}

/// The power of two by which the largest value comes to lie above 2¹⁴ and no higher than 2¹⁵, an f16's largest power of two; `None`
/// if two such factors, or their inverses, come near the end of what an f32 can hold.
fn factor_for_f16(values: &[f32]) -> Option<f32> {
    const MOST: f32 = 60.0;
    let largest = values.iter().fold(0.0f32, |largest, value| largest.max(value.abs()));
    let power = (15.0 - largest.log2()).floor();
    match largest == 0.0 {
        true => Some(1.0),
        false => (power.abs() <= MOST).then(|| power.exp2()),
    }
}

/// Panels of a weight that is one of many small ones: narrow ones where it has few outputs.
fn one_of_many<N: Pair<NARROW>, W: Pair<WIDE>>(
    (rows, cols): (usize, usize),
    values: &[f32],
) -> Result<Box<dyn Packed>> {
    Ok(match rows <= WIDE - NARROW {
        true => Box::new(Panels::<N, NARROW>::among_others(rows, cols, values)?),
        false => Box::new(Panels::<W, WIDE>::among_others(rows, cols, values)?),
    })
}

fn bf16_panels([rows, cols]: [usize; 2], values: &[f32], exact: bool) -> Result<Box<dyn Packed>> {
    let panels = Panels::<Bf16Pair<WIDE>, WIDE>::new(rows, cols, values)?;
    #[cfg(target_arch = "x86_64")]
    let panels = match exact {
        true => panels,
        false => match bf16::Bf16Products::of(panels) {
            Ok(products) => return Ok(Box::new(products)),
            Err(panels) => panels,
        },
    };
    Ok(Box::new(panels))
}

fn composed(form: Form, x: &Matrix, weight: &Tensor) -> Result<Matrix> {
    Matrix::of_tensor(&form.composed(&x.tensor()?.to_dtype(weight.dtype())?, weight)?)
}

impl FrozenMatrix for Dense {
    fn shape(&self) -> (usize, usize) {
        self.shape
    }

    fn type_name(&self) -> &'static str {
        match &self.storage {
            Storage::Packed(panels) => panels.name(),
            Storage::Tensor(weight) => weight.dtype().as_str(),
            Storage::Gpu(weight) => weight.type_name(),
        }
    }

    fn bytes(&self, purpose: Purpose) -> u64 {
        let bytes = match &self.storage {
            Storage::Packed(panels) => panels.bytes(),
            Storage::Tensor(weight) => weight.elem_count() * weight.dtype().size_in_bytes(),
            Storage::Gpu(weight) => return weight.bytes(purpose),
        };
        bytes as u64
    }

    fn has_panels(&self) -> bool {
        matches!(&self.storage, Storage::Packed(panels) if panels.has_kernel())
    }

    fn by_panels<'a>(&'a self, x: &'a Operand<'_>) -> Result<Option<Box<dyn PanelProduct + 'a>>> {
        match &self.storage {
            Storage::Packed(panels) => panels.times(x),
            Storage::Tensor(_) | Storage::Gpu(_) => Ok(None),
        }
    }

    fn product(&self, x: &Operand<'_>) -> Result<Matrix> {
        let (outputs, inputs) = self.shape;
        match &self.storage {
            Storage::Packed(panels) => {
                let (values, rows) = dequantized::operand(x.matrix(), inputs)?;
                let y = match panels.times(x)? {
                    Some(product) => panel_product::alone(product, rows)?,
                    None => dequantized::product(&**panels, values, rows)?,
                };
                Ok(Matrix::host(rows, outputs, y))
            }
            Storage::Tensor(weight) => composed(Form::NT, x.matrix(), weight),
            Storage::Gpu(weight) => weight.product(x),
        }
    }

    fn transposed_product(&self, dy: &Matrix) -> Result<Matrix> {
        let (outputs, inputs) = self.shape;
        match &self.storage {
            Storage::Packed(panels) => {
                let (dy, count) = dequantized::operand(dy, outputs)?;
                Ok(Matrix::host(count, inputs, panels.transposed_product(dy, count)?))
            }
            Storage::Tensor(weight) => composed(Form::NN, dy, weight),
            Storage::Gpu(weight) => weight.transposed_product(dy),
        }
    }

    fn add_product(&self, x: &Operand<'_>, y: &mut Matrix) -> Result<()> {
        match &self.storage {
            Storage::Gpu(weight) => weight.add_product(x, y),
            _ => y.add(&self.product(x)?),
        }
    }

    fn add_transposed_product(&self, dy: &Matrix, dx: &mut Matrix) -> Result<()> {
        match &self.storage {
            Storage::Gpu(weight) => weight.add_transposed_product(dy, dx),
            _ => dx.add(&self.transposed_product(dy)?),
        }
    }

    fn gather(&self, ids: &[u32]) -> Result<Matrix> {
        match &self.storage {
            Storage::Packed(panels) => dequantized::gather(&**panels, ids),
            Storage::Tensor(weight) => Matrix::of_tensor(&weight.index_select(&Tensor::new(ids, weight.device())?, 0)?),
            Storage::Gpu(weight) => weight.gather(ids),
        }
    }

    fn rounds_operands(&self) -> bool {
        matches!(&self.storage, Storage::Packed(panels) if panels.rounds_operands())
    }

    fn operand_bytes(&self, elements: u64) -> u64 {
        if self.rounds_operands() { 2 * elements } else { 0 }
    }

    fn on_card(&self) -> Option<&GpuWeight> {
        match &self.storage {
            Storage::Gpu(weight) => Some(weight),
            _ => None,
        }
    }

    fn workspace_bytes(&self) -> u64 {
        match &self.storage {
            Storage::Tensor(_) => 0,
            Storage::Gpu(weight) => weight.workspace_bytes(),
            Storage::Packed(panels) if panels.rounds_operands() => 0,
            Storage::Packed(_) => dequantized::group_bytes(self.shape),
        }
    }
}
