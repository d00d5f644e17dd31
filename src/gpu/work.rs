//! What a card is asked for, as a thing that can be kept and compared.

use super::Backend;
use super::launch::Grid;
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
            Work::Launch { kernel, grid, args, .. } => {
                let mut args = args.clone();
                let mut args: Vec<_> = args.iter_mut().map(|value| std::ptr::from_mut(value).cast()).collect();
                backend.launch(kernel, *grid, &mut args)
            }
            Work::Gemm(product) => backend.gemm(product),
        }
    }
}
