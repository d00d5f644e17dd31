//! What a card is asked for, as a thing that can be kept and compared.

use super::Backend;
use super::failed;
use super::launch::{Arg, Grid};
use super::product::Product;
use crate::error::Result;

/// Work of a card that can be noted.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Work {
    Clear {
        address: u64,
        bytes: usize,
    },
    Copy {
        from: u64,
        to: u64,
        bytes: usize,
    },
    /// `early`: it may begin before what is in front of it is done, for which it waits by itself.
    Launch {
        kernel: String,
        grid: Grid,
        args: Vec<u64>,
        early: bool,
    },
    Gemm(Product),
}

/// What a recording holds of one step.
#[derive(Debug, PartialEq)]
pub(super) enum Note {
    Take { room: usize, address: u64 },
    GiveBack { address: u64 },
    Input { room: usize, address: u64 },
    Work(Work),
}

impl Note {
    pub(super) fn work(&self) -> Option<&Work> {
        match self {
            Note::Work(work) => Some(work),
            _ => None,
        }
    }
}

/// Work as one piece.
pub(super) trait Graph: Send {
    /// Does it, behind all that was asked for so far.
    ///
    /// # Safety
    /// The addresses in it are still those of memory that was taken.
    unsafe fn launch(&self) -> Result<()>;
}

/// Does it.
///
/// # Safety
/// As for the methods of [`Backend`].
pub(super) unsafe fn perform(backend: &dyn Backend, work: &Work) -> Result<()> {
    // SAFETY: the caller's.
    unsafe {
        match work {
            Work::Clear { address, bytes } => backend.clear(*address, *bytes),
            Work::Copy { from, to, bytes } => backend.copy(*from, *to, *bytes),
            Work::Launch { kernel, grid, args, .. } => launch_with(backend, kernel, *grid, args.iter().copied()),
            Work::Gemm(product) => backend.gemm(product),
        }
    }
}

/// Does all work among notes.
///
/// # Safety
/// As above.
pub(super) unsafe fn perform_all(backend: &dyn Backend, notes: &[Note]) -> Result<()> {
    notes.iter().filter_map(Note::work).try_for_each(|work| {
        // SAFETY: the caller's.
        unsafe { perform(backend, work) }
    })
}

/// Runs a kernel that is not noted.
///
/// # Safety
/// As for the methods of [`Backend`].
pub(super) unsafe fn launch(backend: &dyn Backend, kernel: &str, grid: Grid, args: &[Arg]) -> Result<()> {
    // SAFETY: the caller's.
    unsafe { launch_with(backend, kernel, grid, args.iter().map(|arg| arg.bits())) }
}

/// The most arguments that a kernel has.
const MOST_ARGS: usize = 40;

/// # Safety
/// As above.
unsafe fn launch_with(
    backend: &dyn Backend,
    kernel: &str,
    grid: Grid,
    args: impl ExactSizeIterator<Item = u64>,
) -> Result<()> {
    let count = args.len();
    let mut values = [0u64; MOST_ARGS];
    values.iter_mut().zip(args).for_each(|(value, arg)| *value = arg);
    let mut addresses = values.each_mut().map(|value| std::ptr::from_mut(value).cast());
    match addresses.get_mut(..count) {
        // SAFETY: the caller's.
        Some(addresses) => unsafe { backend.launch(kernel, grid, addresses) },
        None => Err(failed("run a kernel", format!("{kernel} with {count} arguments"))),
    }
}
