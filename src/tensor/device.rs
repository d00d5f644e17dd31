//! Where matrices live: `auto`, `cpu` or `cuda:N`.

use crate::error::{Code, Error, Result};
use crate::options::invalid;
use candle_core::Tensor;

/// A place for matrices: host memory, where kernels on slices work, or a device of candle's.
#[derive(Debug, Clone)]
pub(crate) struct Device(Option<candle_core::Device>);

impl Device {
    /// Host memory.
    pub(crate) fn host() -> Self {
        Device(None)
    }

    /// Host memory, worked on by the composed forms alone, as a device without kernels is.
    #[cfg(test)]
    pub(crate) fn reference() -> Self {
        Device(Some(candle_core::Device::Cpu))
    }

    /// Where a tensor lives.
    pub(super) fn of(tensor: &Tensor) -> Self {
        Device(Some(tensor.device().clone()))
    }

    /// The device of candle's that operators are composed on; `None` where kernels on slices work.
    pub(crate) fn candle(&self) -> Option<&candle_core::Device> {
        self.0.as_ref()
    }

    /// Whether kernels on slices work here.
    pub(crate) fn is_host(&self) -> bool {
        self.0.is_none()
    }

    /// Whether matrices of both can meet.
    pub(crate) fn is_same(&self, other: &Device) -> bool {
        match (&self.0, &other.0) {
            (None, None) => true,
            (Some(one), Some(other)) => one.same_device(other),
            _ => false,
        }
    }

    /// Its name as the `device` option has it.
    pub(crate) fn name(&self) -> String {
        match self.0.as_ref().map(candle_core::Device::location) {
            None | Some(candle_core::DeviceLocation::Cpu) => "cpu".to_owned(),
            Some(candle_core::DeviceLocation::Cuda { gpu_id }) => format!("cuda:{gpu_id}"),
            Some(candle_core::DeviceLocation::Metal { gpu_id }) => format!("metal:{gpu_id}"),
        }
    }
}

/// A parsed `device` option.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DeviceChoice {
    /// The first GPU that answers, else the CPU.
    Auto,
    Cpu,
    Cuda(usize),
    /// [`Device::reference`].
    #[cfg(test)]
    Reference,
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
            DeviceChoice::Cpu => Ok(Device::host()),
            DeviceChoice::Auto => Ok(cuda(0).unwrap_or_else(|_| Device::host())),
            DeviceChoice::Cuda(index) => cuda(index),
            #[cfg(test)]
            DeviceChoice::Reference => Ok(Device::reference()),
        }
    }
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
    let opened = candle_core::Device::new_cuda(index).map(|device| Device(Some(device)));
    opened.map_err(|err| Error::from(err).context(format!("device cuda:{index} cannot be opened")))
}

/// The names that the `device` option takes on this machine.
pub(crate) fn available_devices() -> Vec<String> {
    let gpus = (0..16).take_while(|index| cfg!(feature = "cuda") && cuda(*index).is_ok());
    std::iter::once("cpu".to_string()).chain(gpus.map(|index| format!("cuda:{index}"))).collect()
}

impl From<candle_core::Error> for Error {
    /// Shapes are checked before tensors meet, so what candle still refuses is our defect, or the device's.
    fn from(err: candle_core::Error) -> Self {
        let text = err.to_string();
        let first = text.lines().next().unwrap_or_default();
        let upper = text.to_uppercase();
        let code = if upper.contains("OUT_OF_MEMORY") || upper.contains("OUT OF MEMORY") {
            Code::OutOfMemory
        } else if upper.contains("CUDA") {
            Code::Device
        } else {
            Code::Internal
        };
        Error::new(code, format!("tensor operation failed: {first}"))
    }
}
