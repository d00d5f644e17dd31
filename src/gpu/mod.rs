//! The runtime of a GPU: memory, kernels and products, in the order of one stream.
//!
//! Nothing here knows what a model is. [`Backend`] is the little that a card has to do; CUDA's driver does it on a card, and
//! an emulator in host memory does it where tests run without one, with the same kernels compiled for the host.
//!
//! All work of a card goes through one stream, so what was asked for first is done first, and memory that is given back
//! stays untouched until what used it is done.
#![allow(unsafe_code)]
#![cfg_attr(not(any(feature = "cuda", feature = "cuda-emulator")), allow(dead_code))]

mod active;
mod arena;
mod array;
mod element;
mod gemm;
mod launch;
mod packs;
mod pieces;
mod product;
mod recording;
#[cfg(all(test, feature = "cuda-emulator"))]
mod recording_tests;
mod work;

#[cfg(feature = "cuda")]
mod driver;
#[cfg(feature = "cuda-emulator")]
mod emulator;

pub(crate) use active::apart;
pub(crate) use array::Array;
pub(crate) use element::Element;
pub(crate) use gemm::Gemm;
pub(crate) use launch::{Arg, Grid, blocks, name};
pub(crate) use packs::{common_type, f32_only, over_columns, over_elements, threads_of_row};
pub(crate) use recording::Recording;

use crate::error::{Code, Error, Result};
use product::Product;
use std::fmt;
use std::sync::Arc;
use work::{Graph, Work};

/// A size of memory whose pieces are kept rather than given back: of what comes and goes all the time.
pub(crate) const SCRATCH: usize = 64 << 20;

/// A card, opened once in a process, and the type that activations on it have.
#[derive(Clone)]
pub(crate) struct Gpu {
    backend: Arc<dyn Backend>,
    activation_type: Element,
}

/// What a card does. Addresses are of its memory.
trait Backend: Send + Sync {
    /// `cuda:N`, or what else the device option calls it.
    fn name(&self) -> &str;

    /// Bytes that are free, and all of them.
    fn memory(&self) -> Result<(u64, u64)>;

    /// Memory with anything in it; 256-byte aligned.
    fn take(&self, bytes: usize) -> Result<u64>;

    /// Gives back what [`Backend::take`] gave, once all work asked for so far is done.
    fn give_back(&self, address: u64, bytes: usize);

    /// Fills with bytes of zero.
    ///
    /// # Safety
    /// The range was taken here. The same is true of all addresses below.
    unsafe fn clear(&self, address: u64, bytes: usize) -> Result<()>;

    /// Copies from host memory; `from` may change once this returns.
    unsafe fn upload(&self, from: &[u8], to: u64) -> Result<()>;

    /// Copies to host memory, once all work asked for so far is done.
    unsafe fn download(&self, from: u64, to: &mut [u8]) -> Result<()>;

    /// Copies within the card.
    unsafe fn copy(&self, from: u64, to: u64, bytes: usize) -> Result<()>;

    /// Runs a kernel. `args` are the addresses of its arguments' values.
    unsafe fn launch(&self, kernel: &str, grid: Grid, args: &mut [*mut std::ffi::c_void]) -> Result<()>;

    /// A product of matrices.
    unsafe fn gemm(&self, product: &Product) -> Result<()>;

    /// Whether work is to be done as one piece where it is the same again.
    fn repeats(&self) -> bool {
        true
    }

    /// Work as one piece, for cards that have such a thing.
    unsafe fn graph(&self, _: &[&Work]) -> Result<Option<Box<dyn Graph>>> {
        Ok(None)
    }
}

impl Gpu {
    /// Opens the card of that number.
    pub(crate) fn open(index: usize) -> Result<Self> {
        #[cfg(feature = "cuda")]
        return driver::Driver::open(index).map(Self::of);
        #[cfg(not(feature = "cuda"))]
        Err(Error::new(
            Code::Device,
            format!(
                "device cuda:{index} was asked for, but this library was built without CUDA; use cpu or a CUDA build"
            ),
        ))
    }

    /// The kernels in host memory.
    #[cfg(feature = "cuda-emulator")]
    pub(crate) fn emulator() -> Self {
        Self::of(emulator::Emulator)
    }

    #[cfg(any(feature = "cuda", feature = "cuda-emulator"))]
    fn of(backend: impl Backend + 'static) -> Self {
        Gpu { backend: Arc::new(backend), activation_type: Element::F32 }
    }

    /// The same card with activations of another type: matrices made with this handle are of it.
    pub(crate) fn with_activation_type(&self, activation_type: Element) -> Self {
        Gpu { activation_type, ..self.clone() }
    }

    /// The type of activations.
    pub(crate) fn activation_type(&self) -> Element {
        self.activation_type
    }

    /// Its name as the device option has it.
    pub(crate) fn device_name(&self) -> &str {
        self.backend.name()
    }

    /// Bytes that are free, and all of them.
    pub(crate) fn memory(&self) -> Result<(u64, u64)> {
        self.backend.memory()
    }

    /// Whether both are the same card.
    pub(crate) fn is_same(&self, other: &Gpu) -> bool {
        Arc::ptr_eq(&self.backend, &other.backend)
    }

    /// Runs a kernel of ours. What the arguments say is the caller's to know: kernels do not check.
    pub(crate) fn launch(&self, kernel: &str, grid: Grid, args: &[Arg]) -> Result<()> {
        self.launch_in_turn(kernel, grid, args, false)
    }

    /// The same of a kernel that waits by itself for those in front of it (`wait_for_inputs`): where work is done as one
    /// piece, it may begin before they are done.
    pub(crate) fn launch_early(&self, kernel: &str, grid: Grid, args: &[Arg]) -> Result<()> {
        self.launch_in_turn(kernel, grid, args, true)
    }

    fn launch_in_turn(&self, kernel: &str, grid: Grid, args: &[Arg], early: bool) -> Result<()> {
        if grid.blocks.contains(&0) || grid.threads == 0 {
            return Ok(());
        }
        let noted = || Work::Launch {
            kernel: kernel.to_owned(),
            grid,
            args: args.iter().map(|arg| arg.bits()).collect(),
            early,
        };
        // SAFETY: every address among the arguments is of an array that lives until this is in the stream, behind which
        // its memory is given back; the operators give kernels the sizes of what they made for them.
        unsafe { self.noted(noted).unwrap_or_else(|| work::launch(&*self.backend, kernel, grid, args)) }
    }

    /// A product of matrices.
    pub(crate) fn gemm(&self, gemm: Gemm<'_>) -> Result<()> {
        let product = gemm.checked()?;
        // SAFETY: the operands were checked to lie within their arrays.
        unsafe { self.work(Work::Gemm(product)) }
    }
}

impl fmt::Debug for Gpu {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.device_name())
    }
}

/// What a card is asked for and does not do.
fn failed(what: &str, why: impl fmt::Display) -> Error {
    Error::new(Code::Device, format!("the GPU cannot {what}: {why}"))
}
