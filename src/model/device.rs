//! Where tensors live: `auto`, `cpu` or `cuda:N`.

use crate::error::Result;
use crate::ops::device::cuda;
use crate::options::invalid;
use candle_core::{DType, Device};

/// A parsed `device` option.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DeviceChoice {
    /// The first GPU that answers, else the CPU.
    Auto,
    Cpu,
    Cuda(usize),
}

impl DeviceChoice {
    pub(crate) fn parse(text: &str) -> Result<Self> {
        match text {
            "auto" => Ok(DeviceChoice::Auto),
            "cpu" => Ok(DeviceChoice::Cpu),
            "cuda" => Ok(DeviceChoice::Cuda(0)),
            other => other
                .strip_prefix("cuda:")
                .and_then(|index| index.parse().ok())
                .map(DeviceChoice::Cuda)
                .ok_or_else(|| invalid("device", format!("`{other}`"), "auto, cpu or cuda:N")),
        }
    }

    /// Opens the device; `auto` never fails.
    pub(crate) fn open(self) -> Result<Device> {
        match self {
            DeviceChoice::Cpu => Ok(Device::Cpu),
            DeviceChoice::Auto => Ok(cuda(0).unwrap_or(Device::Cpu)),
            DeviceChoice::Cuda(index) => cuda(index),
        }
    }
}

/// The names that the `device` option takes on this machine.
pub(crate) fn available_devices() -> Vec<String> {
    let gpus = (0..16).take_while(|index| cfg!(feature = "cuda") && cuda(*index).is_ok());
    std::iter::once("cpu".to_string()).chain(gpus.map(|index| format!("cuda:{index}"))).collect()
}

/// The type weights are kept in. On the CPU f32: bf16 products run at a tenth of its speed there.
pub(super) fn weight_dtype(option: &str, device: &Device) -> Result<DType> {
    let dtype = match option {
        "auto" => return Ok(if device.is_cpu() { DType::F32 } else { DType::BF16 }),
        "f32" => DType::F32,
        "f16" => DType::F16,
        "bf16" => DType::BF16,
        other => return Err(invalid("dtype", format!("`{other}`"), "auto, f32, f16 or bf16")),
    };
    if device.is_cpu() && dtype != DType::F32 {
        return Err(invalid("dtype", format!("`{option}` on the CPU"), "auto or f32 there (weights of any type load)"));
    }
    Ok(dtype)
}
