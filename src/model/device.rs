//! Where tensors live: `auto`, `cpu` or `cuda:N`.

use crate::error::{Code, Error, Result};
use crate::options::invalid;
use candle_core::{DType, Device};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where a model runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum DeviceChoice {
    /// The first GPU that answers, else the CPU.
    Auto,
    /// The CPU.
    Cpu,
    /// The GPU of that number.
    Cuda(usize),
}

impl DeviceChoice {
    /// Opens the device; `auto` never fails.
    pub(crate) fn open(self) -> Result<Device> {
        match self {
            DeviceChoice::Cpu => Ok(Device::Cpu),
            DeviceChoice::Auto => Ok(cuda(0).unwrap_or(Device::Cpu)),
            DeviceChoice::Cuda(index) => cuda(index),
        }
    }
}

impl TryFrom<String> for DeviceChoice {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match text.as_str() {
            "auto" => Ok(DeviceChoice::Auto),
            "cpu" => Ok(DeviceChoice::Cpu),
            "cuda" => Ok(DeviceChoice::Cuda(0)),
            other => other
                .strip_prefix("cuda:")
                .and_then(|index| index.parse().ok())
                .map(DeviceChoice::Cuda)
                .ok_or_else(|| format!("`{other}` is none of auto, cpu and cuda:N")),
        }
    }
}

impl From<DeviceChoice> for String {
    fn from(device: DeviceChoice) -> String {
        match device {
            DeviceChoice::Auto => "auto".to_owned(),
            DeviceChoice::Cpu => "cpu".to_owned(),
            DeviceChoice::Cuda(index) => format!("cuda:{index}"),
        }
    }
}

/// The type in which weights are kept.
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

fn cuda(index: usize) -> Result<Device> {
    if !cfg!(feature = "cuda") {
        return Err(Error::new(
            Code::Device,
            format!(
                "device cuda:{index} was asked for, but this library was built without CUDA; use cpu or a CUDA build"
            ),
        ));
    }
    Device::new_cuda(index).map_err(|err| Error::from(err).context(format!("device cuda:{index} cannot be opened")))
}

/// The names that the `device` option takes on this machine.
pub(crate) fn available_devices() -> Vec<String> {
    let gpus = (0..16).take_while(|index| cfg!(feature = "cuda") && cuda(*index).is_ok());
    std::iter::once("cpu".to_string()).chain(gpus.map(|index| format!("cuda:{index}"))).collect()
}

/// The type weights are kept in. On the CPU f32: bf16 products run at a tenth of its speed there.
pub(super) fn weight_dtype(option: Dtype, device: &Device) -> Result<DType> {
    let dtype = match option {
        Dtype::Auto if device.is_cpu() => DType::F32,
        Dtype::Auto | Dtype::Bf16 => DType::BF16,
        Dtype::F32 => DType::F32,
        Dtype::F16 => DType::F16,
    };
    if device.is_cpu() && dtype != DType::F32 {
        let found = format!("`{}` on the CPU", dtype.as_str());
        return Err(invalid("dtype", found, "auto or f32 there (weights of any type load)"));
    }
    Ok(dtype)
}
