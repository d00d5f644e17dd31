//! GPUs. Each is opened once in a process: candle refuses tensors that were made through two handles of one GPU, and an
//! adapter may serve two models.

use crate::error::{Code, Error, Result};
use candle_core::Device;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

static OPEN: Mutex<BTreeMap<usize, Device>> = Mutex::new(BTreeMap::new());

/// The GPU of that index.
pub(crate) fn cuda(index: usize) -> Result<Device> {
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
    let device = open_with_stream(index).map_err(|err| refusal(index, err))?;
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
fn open_with_stream(index: usize) -> candle_core::Result<Device> {
    let device = Device::new_cuda_with_stream(index)?;
    #[cfg(feature = "cuda")]
    if let Device::Cuda(cuda) = &device {
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
