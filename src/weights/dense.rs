//! A dense weight: f32 on the CPU, f32, bf16 or f16 on a GPU.

use super::{FrozenMatrix, Purpose};
use crate::error::{Code, Error, Result};
use crate::options::invalid;
use crate::tensor::{Device, Form, Matrix};
use candle_core::{DType, Tensor};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The type in which dense weights are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Dtype {
    /// f32 on the CPU, bf16 on a GPU.
    Auto,
    /// 32 bits.
    F32,
    /// 16 bits, with 5 of exponent.
    F16,
    /// 16 bits, with the exponent of f32.
    Bf16,
}

/// The type that dense weights of a model are kept in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DenseType(DType);

impl DenseType {
    /// What the `dtype` option means on a device. On the CPU f32: bf16 products run at a tenth of its speed there.
    pub(crate) fn on(device: &Device, option: Dtype) -> Result<Self> {
        let dtype = match option {
            Dtype::Auto if device.name() == "cpu" => DType::F32,
            Dtype::Auto | Dtype::Bf16 => DType::BF16,
            Dtype::F32 => DType::F32,
            Dtype::F16 => DType::F16,
        };
        if device.is_host() && dtype != DType::F32 {
            let found = format!("`{}` on the CPU", dtype.as_str());
            return Err(invalid("dtype", found, "auto or f32 there (weights of any type load)"));
        }
        Ok(DenseType(dtype))
    }

    /// `f32`, `f16` or `bf16`.
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
    F32(Matrix),
    /// f16 or bf16. It meets operands of its own type; activations stay f32.
    Half(Tensor),
}

impl Dense {
    /// A weight from the values that a file has.
    pub(crate) fn new([rows, cols]: [usize; 2], values: Vec<f32>, kind: DenseType, device: &Device) -> Result<Self> {
        let storage = match (kind.0, device.candle()) {
            (DType::F32, _) => Storage::F32(Matrix::new(rows, cols, values, device)?),
            (dtype, Some(device)) => {
                let tensor = Tensor::from_vec(values, (rows, cols), &candle_core::Device::Cpu)?;
                Storage::Half(tensor.to_dtype(dtype)?.to_device(device)?)
            }
            (dtype, None) => {
                return Err(Error::new(Code::Internal, format!("a weight in {} in host memory", dtype.as_str())));
            }
        };
        Ok(Dense { shape: (rows, cols), storage })
    }

    fn any_product(&self, form: Form, x: &Matrix) -> Result<Matrix> {
        match &self.storage {
            Storage::F32(weight) => Matrix::product(form, x, weight),
            Storage::Half(weight) => Matrix::of_tensor(&form.composed(&x.tensor()?.to_dtype(weight.dtype())?, weight)?),
        }
    }
}

impl FrozenMatrix for Dense {
    fn shape(&self) -> (usize, usize) {
        self.shape
    }

    fn type_name(&self) -> &'static str {
        match &self.storage {
            Storage::F32(_) => DType::F32.as_str(),
            Storage::Half(weight) => weight.dtype().as_str(),
        }
    }

    fn bytes(&self, _: Purpose) -> u64 {
        let size = match &self.storage {
            Storage::F32(_) => size_of::<f32>(),
            Storage::Half(weight) => weight.dtype().size_in_bytes(),
        };
        (self.shape.0 * self.shape.1 * size) as u64
    }

    fn product(&self, x: &Matrix) -> Result<Matrix> {
        self.any_product(Form::NT, x)
    }

    fn transposed_product(&self, dy: &Matrix) -> Result<Matrix> {
        self.any_product(Form::NN, dy)
    }

    fn gather(&self, ids: &[u32]) -> Result<Matrix> {
        match &self.storage {
            Storage::F32(weight) => weight.gather(ids),
            Storage::Half(weight) => Matrix::of_tensor(&weight.index_select(&Tensor::new(ids, weight.device())?, 0)?),
        }
    }
}
