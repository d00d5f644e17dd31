//! A product of some rows with a row of tiles, by the instructions that there are.

use super::portable;
use super::tile::{OUTPUTS, Tile};
#[cfg(target_arch = "x86_64")]
use super::{amx, avx2, vnni};
#[cfg(target_arch = "x86_64")]
use crate::weights::amx::TILE_ROWS;
use crate::weights::eight_bits::{Activations, Order};
use crate::weights::kernel::{Instructions, Kernel, ROWS};

/// The rows of the block that begins with row `first` times a row of tiles: sums of each row.
pub(super) fn product<T: Tile>(kernel: Kernel, tiles: &[T], x: &Activations, first: usize, out: &mut [[f32; OUTPUTS]]) {
    assert!(x.spans() == tiles.len() && first.is_multiple_of(ROWS) && out.len() == ROWS.min(x.rows() - first));
    assert_eq!(x.order(), Order::Vectors);
    match kernel.instructions() {
        Instructions::Portable => portable::product(tiles, x, first, out),
        // SAFETY: `kernel` proves the instructions, the assertion that `x` has the rows and the spans.
        #[cfg(target_arch = "x86_64")]
        Instructions::Avx2 | Instructions::Avx512 => unsafe {
            match out.len() {
                6 => avx2::product::<T, 6>(tiles, x, first, out),
                5 => avx2::product::<T, 5>(tiles, x, first, out),
                4 => avx2::product::<T, 4>(tiles, x, first, out),
                3 => avx2::product::<T, 3>(tiles, x, first, out),
                2 => avx2::product::<T, 2>(tiles, x, first, out),
                _ => avx2::product::<T, 1>(tiles, x, first, out),
            }
        },
        // SAFETY: as above.
        #[cfg(target_arch = "x86_64")]
        Instructions::Vnni | Instructions::Bf16 | Instructions::Amx => unsafe {
            match out.len() {
                6 => vnni::product::<T, 6>(tiles, x, first, out),
                5 => vnni::product::<T, 5>(tiles, x, first, out),
                4 => vnni::product::<T, 4>(tiles, x, first, out),
                3 => vnni::product::<T, 3>(tiles, x, first, out),
                2 => vnni::product::<T, 2>(tiles, x, first, out),
                _ => vnni::product::<T, 1>(tiles, x, first, out),
            }
        },
    }
}

/// The same of any number of rows, from the first of a block on, that lie as AMX takes them.
#[cfg(target_arch = "x86_64")]
pub(super) fn product_in_tiles<'s, T: Tile>(
    kernel: Kernel,
    tiles: &[T],
    x: &Activations,
    first: usize,
    out: &'s mut [amx::Sums],
) -> &'s mut [[f32; OUTPUTS]] {
    assert!(kernel.instructions() == Instructions::Amx && x.order() == Order::Tiles && x.spans() == tiles.len());
    assert!(first.is_multiple_of(TILE_ROWS) && first + out.len() <= x.rows() && !tiles.is_empty());
    // SAFETY: `kernel` proves the instructions, the assertions that `x` has the rows and the spans; then all sums are there.
    unsafe {
        amx::product(tiles, x, first, out);
        &mut *(std::ptr::from_mut(out) as *mut [[f32; OUTPUTS]])
    }
}
