//! CUDA, through its driver and cuBLAS. Both are found when a card is first opened: the library needs neither to load.

mod blas;
mod graph;
mod libraries;
mod profile;
mod small;

use super::launch::Grid;
use super::product::Product;
use super::work::{Graph, Work};
use super::{Backend, failed};
use crate::error::{Code, Error, Result};
use blas::Blas;
use cudarc::driver::result::{self, DriverError};
use cudarc::driver::sys;
use graph::Capture;
use profile::Profile;
use small::Small;
use std::collections::HashMap;
use std::ffi::{CString, c_void};
use std::sync::{Mutex, PoisonError};

/// The kernels of all operators, for the architectures that `build.rs` names.
static KERNELS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/kernels.fatbin"));

/// Shared memory that a block has without being asked for more.
const PLAIN_SHARED: u32 = 48 << 10;

/// A card, its one stream and our kernels on it. It is never closed: what is on it may outlive every model.
pub(super) struct Driver {
    name: String,
    context: sys::CUcontext,
    stream: sys::CUstream,
    module: sys::CUmodule,
    functions: Mutex<HashMap<String, Function>>,
    blas: Blas,
    /// Where memory comes from.
    pool: sys::CUmemoryPool,
    small: Small,
    profile: Option<Profile>,
    /// Whether kernels may begin before those in front of them are done: from compute capability 9.0 on.
    begins_early: bool,
    /// Made for the first graph.
    capture: Mutex<Option<Capture>>,
}

#[derive(Clone, Copy)]
struct Function {
    handle: sys::CUfunction,
    /// Dynamic shared memory that it may take.
    shared: u32,
}

// SAFETY: CUDA's handles may be used from any thread that has made the context its current one, as every call here does.
unsafe impl Send for Driver {}
// SAFETY: as above; what CUDA does not guard itself stands behind a lock.
unsafe impl Sync for Driver {}

impl Driver {
    pub(super) fn open(index: usize) -> Result<Self> {
        let refuse = |why: String| Error::new(Code::Device, format!("device cuda:{index} cannot be opened: {why}"));
        libraries::find().map_err(refuse)?;
        let because = |err: DriverError| refuse(describe(err));
        result::init().map_err(because)?;
        let count = result::device::get_count().map_err(because)?;
        let ordinal = i32::try_from(index).ok().filter(|ordinal| *ordinal < count);
        let ordinal = ordinal.ok_or_else(|| refuse(format!("this machine has {count} NVIDIA GPUs, counted from 0")))?;
        let device = result::device::get(ordinal).map_err(because)?;
        // SAFETY: the calls follow the order that the driver's documentation asks for, on the handles that they gave.
        unsafe {
            let context = result::primary_ctx::retain(device).map_err(because)?;
            result::ctx::set_current(context).map_err(because)?;
            let pool = memory_pool(device).map_err(because)?;
            let stream = result::stream::create(result::stream::StreamKind::NonBlocking).map_err(because)?;
            let module = result::module::load_data(KERNELS.as_ptr().cast()).map_err(|err| {
                refuse(format!("its driver does not take our kernels ({}); they are of CUDA 13.0 for compute capability 8.0 and newer, which a driver of version 580 or newer takes", describe(err)))
            })?;
            let blas = Blas::new(stream).map_err(refuse)?;
            let major = sys::CUdevice_attribute_enum::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR;
            let begins_early = result::device::get_attribute(device, major).map_err(because)? >= 9;
            let functions = Mutex::default();
            Ok(Driver {
                name: format!("cuda:{index}"),
                context,
                stream,
                module,
                functions,
                blas,
                pool,
                small: Small::default(),
                profile: Profile::wanted(),
                begins_early,
                capture: Mutex::default(),
            })
        }
    }

    /// Makes the card this thread's.
    fn enter(&self) -> Result<()> {
        // SAFETY: the context lives as long as the process.
        unsafe { result::ctx::set_current(self.context) }.map_err(|err| failed("be reached", describe(err)))
    }

    /// Does a piece of work, and waits for it where that is to be known.
    fn timed(&self, name: impl FnOnce() -> String, work: impl FnOnce() -> Result<()>) -> Result<()> {
        let Some(profile) = &self.profile else { return work() };
        let wait = || {
            // SAFETY: the stream of this context.
            unsafe { result::stream::synchronize(self.stream) }
                .map_err(|err| failed("do what it was asked", describe(err)))
        };
        wait()?;
        let began = std::time::Instant::now();
        work()?;
        wait()?;
        profile.count(name(), began, || self.highest());
        Ok(())
    }

    fn of_pool(&self, which: sys::CUmemPool_attribute) -> std::result::Result<u64, DriverError> {
        let mut bytes = 0u64;
        // SAFETY: the pool lives as long as its device, and the attributes asked for below are u64.
        unsafe { result::mem_pool::get_attribute(self.pool, which, (&raw mut bytes).cast()) }.map(|()| bytes)
    }

    /// Bytes that the pool holds and nobody has.
    fn kept(&self) -> std::result::Result<u64, DriverError> {
        let reserved = self.of_pool(sys::CUmemPool_attribute::CU_MEMPOOL_ATTR_RESERVED_MEM_CURRENT)?;
        Ok(reserved.saturating_sub(self.of_pool(sys::CUmemPool_attribute::CU_MEMPOOL_ATTR_USED_MEM_CURRENT)?))
    }

    /// The most bytes of the pool that were in use at a time, and the most that it held.
    fn highest(&self) -> (u64, u64) {
        let of = |which| self.of_pool(which).unwrap_or(0);
        (
            of(sys::CUmemPool_attribute::CU_MEMPOOL_ATTR_USED_MEM_HIGH),
            of(sys::CUmemPool_attribute::CU_MEMPOOL_ATTR_RESERVED_MEM_HIGH),
        )
    }

    fn function(&self, kernel: &str, shared: u32) -> Result<sys::CUfunction> {
        let mut functions = self.functions.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(function) = functions.get(kernel).filter(|function| function.shared >= shared) {
            return Ok(function.handle);
        }
        let unknown = |err: DriverError| failed("run a kernel", format!("{kernel}: {}", describe(err)));
        let name = CString::new(kernel).map_err(|_| failed("run a kernel", "its name has a zero byte"))?;
        // SAFETY: the module lives as long as the process.
        let handle = unsafe { result::module::get_function(self.module, name) }.map_err(unknown)?;
        if shared > PLAIN_SHARED {
            let attribute = sys::CUfunction_attribute_enum::CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES;
            // As much of it as there is, for as many blocks as fit.
            let carveout = sys::CUfunction_attribute_enum::CU_FUNC_ATTRIBUTE_PREFERRED_SHARED_MEMORY_CARVEOUT;
            // SAFETY: a function of this context.
            unsafe {
                result::function::set_function_attribute(handle, attribute, shared as i32).map_err(unknown)?;
                result::function::set_function_attribute(handle, carveout, 100).map_err(unknown)?;
            }
        }
        functions.insert(kernel.to_owned(), Function { handle, shared: shared.max(PLAIN_SHARED) });
        Ok(handle)
    }
}

impl Backend for Driver {
    fn name(&self) -> &str {
        &self.name
    }

    fn memory(&self) -> Result<(u64, u64)> {
        self.enter()?;
        let (free, total) = result::mem_get_info().map_err(|err| failed("tell its memory", describe(err)))?;
        Ok((free as u64 + self.kept().unwrap_or(0), total as u64))
    }

    fn take(&self, bytes: usize) -> Result<u64> {
        if let Some(address) = self.small.take(bytes) {
            return Ok(address);
        }
        self.enter()?;
        let bytes = Small::size(bytes).unwrap_or(bytes);
        // SAFETY: a stream of this context.
        unsafe { result::malloc_async(self.stream, bytes) }.map_err(|err| match err.0 {
            sys::CUresult::CUDA_ERROR_OUT_OF_MEMORY => {
                let (free, total) = result::mem_get_info().unwrap_or_default();
                let mib = |bytes: usize| bytes.div_ceil(1 << 20);
                let has = format!("{} has {} MiB, of which {} are free", self.name, mib(total), mib(free));
                Error::new(Code::OutOfMemory, format!("{} MiB of GPU memory are not to be had: {has}", mib(bytes)))
            }
            _ => failed("give memory", describe(err)),
        })
    }

    fn give_back(&self, address: u64, bytes: usize) {
        if self.small.give_back(address, bytes) {
            return;
        }
        // SAFETY: taken from this stream, behind whose work it becomes free. A card that fails has nothing to give back.
        let _ = self.enter().map(|()| unsafe { result::free_async(address, self.stream) });
    }

    unsafe fn clear(&self, address: u64, bytes: usize) -> Result<()> {
        self.enter()?;
        // SAFETY: the caller's.
        unsafe { result::memset_d8_async(address, 0, bytes, self.stream) }.map_err(|err| failed("clear", describe(err)))
    }

    unsafe fn upload(&self, from: &[u8], to: u64) -> Result<()> {
        self.enter()?;
        // SAFETY: the caller's. From memory that is not pinned, the driver has taken its copy when this returns.
        unsafe { result::memcpy_htod_async(to, from, self.stream) }.map_err(|err| failed("take a copy", describe(err)))
    }

    unsafe fn download(&self, from: u64, to: &mut [u8]) -> Result<()> {
        self.enter()?;
        let err = |err: DriverError| failed("give a copy", describe(err));
        // SAFETY: the caller's; `to` is written when the stream has been waited for.
        unsafe {
            result::memcpy_dtoh_async(to, from, self.stream).map_err(err)?;
            result::stream::synchronize(self.stream).map_err(err)
        }
    }

    unsafe fn copy(&self, from: u64, to: u64, bytes: usize) -> Result<()> {
        self.enter()?;
        // SAFETY: the caller's.
        unsafe { result::memcpy_dtod_async(to, from, bytes, self.stream) }.map_err(|err| failed("copy", describe(err)))
    }

    unsafe fn launch(&self, kernel: &str, grid: Grid, args: &mut [*mut c_void]) -> Result<()> {
        self.enter()?;
        let function = self.function(kernel, grid.shared)?;
        let [x, y, z] = grid.blocks;
        let launch = || {
            // SAFETY: the caller's.
            unsafe { result::launch_kernel(function, (x, y, z), (grid.threads, 1, 1), grid.shared, self.stream, args) }
                .map_err(|err| failed("run a kernel", format!("{kernel} in {grid:?}: {}", describe(err))))
        };
        self.timed(|| kernel.to_owned(), launch)
    }

    unsafe fn gemm(&self, product: &Product) -> Result<()> {
        self.enter()?;
        let Product { m, n, k, operands, .. } = product;
        // SAFETY: the caller's.
        self.timed(|| format!("{} {m} × {k} × {n}", operands.name()), || unsafe { self.blas.gemm(product) })
    }

    /// A profile tells of single pieces.
    fn repeats(&self) -> bool {
        self.profile.is_none()
    }

    unsafe fn graph(&self, work: &[&Work]) -> Result<Option<Box<dyn Graph>>> {
        // SAFETY: the caller's.
        unsafe { self.captured(work) }.map(Some)
    }
}

/// The pool that memory comes from. What is freed stays in it; the driver would otherwise give it back each time the host
/// waits for a result.
///
/// # Safety
/// The device's primary context is retained.
unsafe fn memory_pool(device: sys::CUdevice) -> std::result::Result<sys::CUmemoryPool, DriverError> {
    let mut threshold = u64::MAX;
    let attribute = sys::CUmemPool_attribute::CU_MEMPOOL_ATTR_RELEASE_THRESHOLD;
    // SAFETY: the device's default pool lives as long as it does, and this attribute is an u64.
    unsafe {
        let pool = result::device::get_default_mem_pool(device)?;
        result::mem_pool::set_attribute(pool, attribute, (&raw mut threshold).cast())?;
        Ok(pool)
    }
}

/// The driver's words for its error.
fn describe(err: DriverError) -> String {
    match err.0 {
        sys::CUresult::CUDA_ERROR_NO_DEVICE => "there is no NVIDIA GPU, or it is hidden from this process".to_owned(),
        sys::CUresult::CUDA_ERROR_SYSTEM_DRIVER_MISMATCH => {
            "the NVIDIA driver's library is of another version than its kernel module; restart the machine".to_owned()
        }
        _ => {
            let words = err.error_string().ok().and_then(|words| words.to_str().ok()).unwrap_or("an unknown error");
            format!("{words} ({:?})", err.0)
        }
    }
}
