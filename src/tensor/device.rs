//! Where matrices live: `auto`, `cpu` or `cuda:N`.

use crate::error::{Code, Error, Result};
use candle_core::Tensor;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

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
    /// [`Device::reference`].
    #[cfg(test)]
    Reference,
}

impl DeviceChoice {
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
            #[cfg(test)]
            DeviceChoice::Reference => "reference".to_owned(),
        }
    }
}

/// Each GPU is opened once in a process: candle refuses tensors that were made through two handles of one, and an adapter
/// may serve two models.
static OPEN: Mutex<BTreeMap<usize, Device>> = Mutex::new(BTreeMap::new());

/// The GPU of that index.
fn cuda(index: usize) -> Result<Device> {
    if !cfg!(feature = "cuda") {
        return Err(Error::new(
            Code::Device,
            format!(
                "device cuda:{index} was asked for, but this library was built without CUDA; use cpu or a CUDA build"
            ),
        ));
    }
    let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(device) = open.get(&index) {
        return Ok(device.clone());
    }
    let device = open_with_stream(index).map(|device| Device(Some(device))).map_err(|err| refusal(index, err))?;
    open.insert(index, device.clone());
    Ok(device)
}

fn refusal(index: usize, err: candle_core::Error) -> Error {
    let what = format!("device cuda:{index} cannot be opened");
    if err.to_string().contains("CUDA_ERROR_NO_DEVICE") {
        let why = "neither an NVIDIA GPU nor its driver was found; use auto or cpu, or install the driver";
        return Error::new(Code::Device, format!("{what}: {why}"));
    }
    let err = Error::from(err);
    Error::new(if err.code() == Code::OutOfMemory { Code::OutOfMemory } else { Code::Device }, err.message())
        .context(what)
}

/// candle's own choice is a stream for each host thread; work of one pass moves from thread to thread, and would run ahead
/// of what it needs.
fn open_with_stream(index: usize) -> candle_core::Result<candle_core::Device> {
    let device = candle_core::Device::new_cuda_with_stream(index)?;
    #[cfg(feature = "cuda")]
    if let candle_core::Device::Cuda(cuda) = &device {
        // SAFETY: all work of this device goes through the one stream made above, which keeps the order.
        unsafe { cuda.disable_event_tracking() };
        keep_freed_memory(index)?;
    }
    Ok(device)
}

/// Freed memory stays with the process; the driver would otherwise give it back each time the host waits for a result.
#[cfg(feature = "cuda")]
fn keep_freed_memory(index: usize) -> candle_core::Result<()> {
    use candle_core::cuda_backend::{WrapErr, cudarc::driver::result, cudarc::driver::sys};
    let ordinal = i32::try_from(index).map_err(candle_core::Error::wrap)?;
    let mut threshold = u64::MAX;
    let attribute = sys::CUmemPool_attribute::CU_MEMPOOL_ATTR_RELEASE_THRESHOLD;
    // SAFETY: the device is open, its default pool lives as long as it does, and this attribute is an u64.
    unsafe {
        let pool = result::device::get_default_mem_pool(result::device::get(ordinal).w()?).w()?;
        result::mem_pool::set_attribute(pool, attribute, (&raw mut threshold).cast()).w()?;
    }
    Ok(())
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
