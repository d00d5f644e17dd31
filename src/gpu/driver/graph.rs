//! CUDA graphs. Work is captured from a stream that nothing else uses, so that no thread's work gets into another's graph,
//! and launched into the one that does all work.

use super::super::failed;
use super::super::launch::Grid;
use super::super::work::{Graph, Work};
use super::blas::Blas;
use super::{Driver, describe};
use crate::error::Result;
use cudarc::driver::result::{self, DriverError};
use cudarc::driver::sys;
use std::ffi::c_void;
use std::sync::PoisonError;

/// What cuBLAS may use in a graph: as much as it takes elsewhere on the largest cards. Graphs come one after the other, so
/// all have the same.
const WORKSPACE: usize = 32 << 20;

/// The stream that graphs are captured from, and cuBLAS on it once a graph has products.
pub(super) struct Capture {
    stream: sys::CUstream,
    blas: Option<Blas>,
}

/// A graph that can be launched.
struct Launchable {
    context: sys::CUcontext,
    stream: sys::CUstream,
    graph: sys::CUgraphExec,
}

// SAFETY: handles that any thread may use that has made the context its current one, as all calls below do; one at a time,
// as its owner has it to itself.
unsafe impl Send for Launchable {}

impl Graph for Launchable {
    unsafe fn launch(&self) -> Result<()> {
        // SAFETY: the context and the stream live as long as the process; the rest is the caller's.
        unsafe { result::ctx::set_current(self.context).and_then(|()| result::graph::launch(self.graph, self.stream)) }
            .map_err(|err| failed("repeat work", describe(err)))
    }
}

impl Drop for Launchable {
    fn drop(&mut self) {
        // SAFETY: as above. Nothing is left to be done of it when it goes; a card that fails has nothing to free.
        unsafe {
            let _ = result::ctx::set_current(self.context)
                .and_then(|()| result::stream::synchronize(self.stream))
                .and_then(|()| result::graph::exec_destroy(self.graph));
        }
    }
}

impl Driver {
    /// # Safety
    /// The addresses in the work are of memory that was taken.
    pub(super) unsafe fn captured(&self, work: &[&Work]) -> Result<Box<dyn Graph>> {
        let because = |err: DriverError| failed("note work", describe(err));
        self.enter()?;
        let mut capture = self.capture.lock().unwrap_or_else(PoisonError::into_inner);
        let capture = match &mut *capture {
            Some(capture) => capture,
            none => {
                let stream = result::stream::create(result::stream::StreamKind::NonBlocking).map_err(because)?;
                none.insert(Capture { stream, blas: None })
            }
        };
        if capture.blas.is_none() && work.iter().any(|work| matches!(work, Work::Gemm(_))) {
            // SAFETY: the stream and the workspace are never given back.
            capture.blas = Some(unsafe {
                let workspace = result::malloc_async(self.stream, WORKSPACE).map_err(because)?;
                Blas::with_workspace(capture.stream, workspace, WORKSPACE).map_err(|why| failed("note work", why))?
            });
        }
        // SAFETY: the caller's.
        let graph = unsafe { self.launchable(work, capture, self.begins_early) };
        // SAFETY: the caller's. What the driver does not take early, it takes in turn.
        graph.or_else(|err| if self.begins_early { unsafe { self.launchable(work, capture, false) } } else { Err(err) })
    }

    /// # Safety
    /// As above.
    unsafe fn launchable(&self, work: &[&Work], capture: &Capture, early: bool) -> Result<Box<dyn Graph>> {
        let because = |err: DriverError| failed("note work", describe(err));
        let mut behind_kernel = false;
        // SAFETY: nothing else uses the stream, and what is captured is the caller's. Kernels that the driver has yet to
        // load may be loaded meanwhile, as the mode allows.
        unsafe {
            let mode = sys::CUstreamCaptureMode::CU_STREAM_CAPTURE_MODE_RELAXED;
            result::stream::begin_capture(capture.stream, mode).map_err(because)?;
            let issued = work.iter().try_for_each(|work| {
                let issued = self.issue(work, capture, early && behind_kernel);
                behind_kernel = matches!(work, Work::Launch { .. });
                issued
            });
            let graph = result::stream::end_capture(capture.stream).map_err(because);
            issued?;
            let graph = graph?;
            let launchable = result::graph::instantiate(graph, sys::CUgraphInstantiate_flags(0)).map_err(because);
            result::graph::destroy(graph).map_err(because)?;
            Ok(Box::new(Launchable { context: self.context, stream: self.stream, graph: launchable? }))
        }
    }

    /// `behind_kernel`: whether a kernel is in front, which one that may begin early need not wait for.
    ///
    /// # Safety
    /// As above.
    unsafe fn issue(&self, work: &Work, capture: &Capture, behind_kernel: bool) -> Result<()> {
        let stream = capture.stream;
        // SAFETY: the caller's.
        let issued = unsafe {
            match work {
                Work::Clear { address, bytes } => result::memset_d8_async(*address, 0, *bytes, stream),
                Work::Copy { from, to, bytes } => result::memcpy_dtod_async(*to, *from, *bytes, stream),
                Work::Launch { kernel, grid, args, early } => {
                    let function = self.function(kernel, grid.shared)?;
                    let ([x, y, z], mut values) = (grid.blocks, args.clone());
                    let mut args: Vec<*mut c_void> =
                        values.iter_mut().map(|value| std::ptr::from_mut(value).cast()).collect();
                    if *early && behind_kernel {
                        return launch_early(function, *grid, stream, &mut args)
                            .map_err(|err| failed("note work", format!("{work:?}: {}", describe(err))));
                    }
                    result::launch_kernel(function, (x, y, z), (grid.threads, 1, 1), grid.shared, stream, &mut args)
                }
                Work::Gemm(product) => match &capture.blas {
                    Some(blas) => return blas.gemm(product),
                    None => return Err(failed("note work", "a product without cuBLAS")),
                },
            }
        };
        issued.map_err(|err| failed("note work", format!("{work:?}: {}", describe(err))))
    }
}

/// Launches a kernel that may begin before the one in front of it is done ("programmatic dependent launch").
///
/// # Safety
/// As for a launch; and the kernel waits before it reads what that one writes.
unsafe fn launch_early(
    function: sys::CUfunction,
    grid: Grid,
    stream: sys::CUstream,
    args: &mut [*mut c_void],
) -> std::result::Result<(), DriverError> {
    // SAFETY: a plain structure, for which zeros are values.
    let mut attribute: sys::CUlaunchAttribute = unsafe { std::mem::zeroed() };
    attribute.id = sys::CUlaunchAttributeID::CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION;
    attribute.value.programmaticStreamSerializationAllowed = 1;
    let config = sys::CUlaunchConfig {
        gridDimX: grid.blocks[0],
        gridDimY: grid.blocks[1],
        gridDimZ: grid.blocks[2],
        blockDimX: grid.threads,
        blockDimY: 1,
        blockDimZ: 1,
        sharedMemBytes: grid.shared,
        hStream: stream,
        attrs: &raw mut attribute,
        numAttrs: 1,
    };
    // SAFETY: the caller's; the driver has read the attribute when this returns.
    unsafe { sys::cuLaunchKernelEx(&raw const config, function, args.as_mut_ptr(), std::ptr::null_mut()).result() }
}
