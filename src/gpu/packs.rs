//! The grids that the loops of `packs.cuh` want, and what their kernels take for granted of arrays.

use super::{Array, Element, Grid, blocks};
use crate::error::{Code, Error, Result};

/// Threads of a block that passes over memory.
const THREADS: usize = 256;
const WARP: usize = 32;
/// Blocks that a grid may have in y.
const MOST_IN_Y: u32 = 65_535;

/// Over all of `n` elements of operands of these types: a pack for each thread.
pub(crate) fn over_elements(n: usize, elements: &[Element]) -> Grid {
    Grid::of(blocks(n, THREADS * pack(elements)), THREADS as u32)
}

/// Over the columns of each row: x is the row, y a share of the columns, a pack for each thread.
pub(crate) fn over_columns(rows: usize, cols: usize, elements: &[Element]) -> Grid {
    let threads = threads_of_row(cols, elements, THREADS as u32);
    let shares = blocks(cols.div_ceil(pack(elements)), threads as usize).min(MOST_IN_Y);
    Grid { blocks: [blocks(rows, 1), shares, 1], threads, shared: 0 }
}

/// The threads of a block that works on a row alone: one a pack, up to `most`.
pub(crate) fn threads_of_row(cols: usize, elements: &[Element], most: u32) -> u32 {
    let packs = cols.div_ceil(pack(elements)).clamp(1, most as usize);
    packs.next_multiple_of(WARP) as u32
}

/// The elements that fill 16 bytes of the smallest type.
fn pack(elements: &[Element]) -> usize {
    16 / elements.iter().map(|element| element.size()).min().unwrap_or(4)
}

/// The one type of several operands.
pub(crate) fn common_type(arrays: &[&Array]) -> Result<Element> {
    let element = arrays.first().map_or(Element::F32, |array| array.element());
    match arrays.iter().find(|array| array.element() != element) {
        None => Ok(element),
        Some(other) => Err(mixed(element, other)),
    }
}

/// An operand that is always f32.
pub(crate) fn f32_only(array: &Array) -> Result<&Array> {
    match array.element() {
        Element::F32 => Ok(array),
        _ => Err(mixed(Element::F32, array)),
    }
}

fn mixed(element: Element, other: &Array) -> Error {
    let message = format!("an operand of {} on a card where {} is expected", other.element().name(), element.name());
    Error::new(Code::Internal, message)
}
