//! Where matrices live: `auto`, `cpu` or `cuda:N`.

use crate::error::{Error, Result};
use crate::gpu::{Element, Gpu};
use candle_core::Tensor;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// A place for matrices.
#[derive(Debug, Clone)]
pub(crate) struct Device(Place);

#[derive(Debug, Clone)]
enum Place {
    /// Host memory, where kernels on slices work.
    Host,
    /// Host memory, where operators are composed of candle's: the oracle of tests.
    #[cfg_attr(not(test), allow(dead_code))]
    Reference(candle_core::Device),
    /// The memory of a card.
    Gpu(Gpu),
}

impl Device {
    /// Host memory.
    pub(crate) fn host() -> Self {
        Device(Place::Host)
    }

    /// Host memory, worked on by the composed forms alone.
    #[cfg(test)]
    pub(crate) fn reference() -> Self {
        Device(Place::Reference(candle_core::Device::Cpu))
    }

    /// Where a tensor of candle's lives.
    pub(super) fn of(tensor: &Tensor) -> Self {
        Device(Place::Reference(tensor.device().clone()))
    }

    /// The memory of a card.
    pub(super) fn of_gpu(gpu: &Gpu) -> Self {
        Device(Place::Gpu(gpu.clone()))
    }

    /// The device of candle's that operators are composed on, if they are.
    pub(crate) fn candle(&self) -> Option<&candle_core::Device> {
        match &self.0 {
            Place::Reference(device) => Some(device),
            Place::Host | Place::Gpu(_) => None,
        }
    }

    /// The card, if it is one.
    pub(crate) fn gpu(&self) -> Option<&Gpu> {
        match &self.0 {
            Place::Gpu(gpu) => Some(gpu),
            Place::Host | Place::Reference(_) => None,
        }
    }

    /// Whether it is a card.
    pub(crate) fn is_on_card(&self) -> bool {
        self.gpu().is_some()
    }

    /// The same, with activations of a type: on a card they have that of a model's weights, elsewhere they are f32.
    pub(crate) fn with_activation_type(&self, element: Element) -> Self {
        match &self.0 {
            Place::Gpu(gpu) => Device(Place::Gpu(gpu.with_activation_type(element))),
            Place::Host | Place::Reference(_) => self.clone(),
        }
    }

    /// Whether kernels on slices work here.
    pub(crate) fn is_host(&self) -> bool {
        matches!(self.0, Place::Host)
    }

    /// Bytes that more matrices may take, if that can be told.
    pub(crate) fn free_memory(&self) -> Option<u64> {
        match &self.0 {
            Place::Host | Place::Reference(_) => crate::memory::available(),
            Place::Gpu(gpu) => gpu.memory().ok().map(|(free, _)| free),
        }
    }

    /// Bytes that a card has taken beside all matrices: its driver's context with our kernels, what cuBLAS keeps, and rooms
    /// between matrices. In trainings of a 7B model an H100 has shown 0.7 to 1.4 GiB more than those.
    pub(crate) fn overhead_bytes(&self) -> u64 {
        if self.is_on_card() { 1 << 30 } else { 0 }
    }

    /// Bytes of an element of an activation.
    pub(crate) fn activation_bytes(&self) -> u64 {
        self.activation_type().size() as u64
    }

    /// The type of activations.
    pub(crate) fn activation_type(&self) -> Element {
        self.gpu().map_or(Element::F32, Gpu::activation_type)
    }

    /// Whether matrices of both can meet.
    pub(crate) fn is_same(&self, other: &Device) -> bool {
        match (&self.0, &other.0) {
            (Place::Host, Place::Host) => true,
            (Place::Reference(one), Place::Reference(other)) => one.same_device(other),
            (Place::Gpu(one), Place::Gpu(other)) => one.is_same(other),
            _ => false,
        }
    }

    /// Its name as the `device` option has it.
    pub(crate) fn name(&self) -> String {
        match &self.0 {
            Place::Host | Place::Reference(_) => "cpu".to_owned(),
            Place::Gpu(gpu) => gpu.device_name().to_owned(),
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
    /// The GPU's kernels, run by the CPU: for tests.
    #[cfg(feature = "cuda-emulator")]
    Emulator,
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
            #[cfg(feature = "cuda-emulator")]
            DeviceChoice::Emulator => Ok(emulator()),
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
            #[cfg(feature = "cuda-emulator")]
            "emulator" => Ok(DeviceChoice::Emulator),
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
            #[cfg(feature = "cuda-emulator")]
            DeviceChoice::Emulator => "emulator".to_owned(),
            #[cfg(test)]
            DeviceChoice::Reference => "reference".to_owned(),
        }
    }
}

/// Each GPU is opened once in a process: an adapter may serve two models.
static OPEN: Mutex<BTreeMap<usize, Device>> = Mutex::new(BTreeMap::new());

/// The GPU of that index.
fn cuda(index: usize) -> Result<Device> {
    let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(device) = open.get(&index) {
        return Ok(device.clone());
    }
    let device = Device(Place::Gpu(Gpu::open(index)?));
    open.insert(index, device.clone());
    Ok(device)
}

/// The one emulated card of a process.
#[cfg(feature = "cuda-emulator")]
fn emulator() -> Device {
    static EMULATOR: std::sync::OnceLock<Device> = std::sync::OnceLock::new();
    EMULATOR.get_or_init(|| Device(Place::Gpu(Gpu::emulator()))).clone()
}

/// Why there is no GPU to be had, in words; `None` if there is one, or if this library was built without CUDA.
pub(crate) fn cuda_problem() -> Option<String> {
    if !cfg!(feature = "cuda") {
        return None;
    }
    cuda(0).err().map(|err| err.message().to_owned())
}

/// The names that the `device` option takes on this machine.
pub(crate) fn available_devices() -> Vec<String> {
    let gpus = (0..16).take_while(|index| cfg!(feature = "cuda") && cuda(*index).is_ok());
    std::iter::once("cpu".to_string()).chain(gpus.map(|index| format!("cuda:{index}"))).collect()
}

impl From<candle_core::Error> for Error {
    /// Shapes are checked before tensors meet, so what candle still refuses is our defect.
    fn from(err: candle_core::Error) -> Self {
        let text = err.to_string();
        let first = text.lines().next().unwrap_or_default();
        Error::new(crate::error::Code::Internal, format!("tensor operation failed: {first}"))
    }
}
