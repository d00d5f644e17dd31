//! How kernels are called.

use super::element::Element;

/// The blocks of a launch, the threads of each, and the bytes of shared memory that a block takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Grid {
    pub(crate) blocks: [u32; 3],
    pub(crate) threads: u32,
    pub(crate) shared: u32,
}

impl Grid {
    /// So many blocks of so many threads.
    pub(crate) fn of(blocks: u32, threads: u32) -> Self {
        Grid { blocks: [blocks, 1, 1], threads, shared: 0 }
    }
}

/// An argument of a kernel: an address of an array's, or a number.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Arg(u64);

impl Arg {
    pub(super) fn address(address: u64) -> Self {
        Arg(address)
    }

    /// No array.
    pub(crate) fn null() -> Self {
        Arg(0)
    }

    /// The value, its bytes from the lowest on: as wide as the kernel reads.
    pub(super) fn bits(self) -> u64 {
        self.0
    }
}

impl From<u32> for Arg {
    fn from(value: u32) -> Self {
        Arg(u64::from(value))
    }
}

impl From<u64> for Arg {
    fn from(value: u64) -> Self {
        Arg(value)
    }
}

impl From<f32> for Arg {
    fn from(value: f32) -> Self {
        Arg(u64::from(value.to_bits()))
    }
}

/// Blocks that cover `n` things, `per_block` each.
pub(crate) fn blocks(n: usize, per_block: usize) -> u32 {
    u32::try_from(n.div_ceil(per_block)).unwrap_or(u32::MAX)
}

/// A kernel's name for the types of its operands.
pub(crate) fn name(kernel: &str, elements: &[Element]) -> String {
    let mut name = kernel.to_owned();
    for element in elements {
        name.push('_');
        name.push_str(element.name());
    }
    name
}
