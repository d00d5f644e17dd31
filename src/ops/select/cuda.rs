//! The launches of `select.cu`.

use super::Shortlist;
use crate::error::Result;
use crate::gpu::{Arg, Array, Element, Grid, blocks, name};

/// Neighbours that a thread reads at a time, and what their groups may be: as in `select.cu`.
const OCTET: usize = 8;
const MOST_GROUPS: usize = 4096;
const HEADER: usize = 4;
const THREADS: usize = 256;

pub(super) fn shortlists(logits: &Array, rows: usize, listed: usize) -> Result<Vec<Shortlist>> {
    let vocab = logits.len() / rows.max(1);
    if vocab == 0 {
        return Ok(Vec::new());
    }
    let gpu = logits.gpu();
    let octets = vocab.div_ceil(OCTET);
    let lanes = octets.div_ceil(MOST_GROUPS).next_power_of_two().min(32);
    let times = octets.div_ceil(lanes * MOST_GROUPS);
    let groups = octets.div_ceil(lanes * times);
    let parts = (groups * lanes).div_ceil(THREADS);
    let mut keys = Array::new(gpu, Element::U32, rows * groups)?;
    let mut softmax = Array::new(gpu, Element::F32, rows * parts * 2)?;
    let size = |size: usize| Arg::from(size as u32);
    let grid = Grid { blocks: [blocks(parts, 1), blocks(rows, 1), 1], threads: THREADS as u32, shared: 0 };
    let sizes = [size(vocab), size(groups), size(lanes), size(times)];
    let args = [&[logits.at(0), keys.at_mut(0), softmax.at_mut(0)][..], &sizes].concat();
    gpu.launch(&name("select_scan", &[logits.element()]), grid, &args)?;

    let width = HEADER + 2 * listed;
    let mut lists = Array::new(gpu, Element::U32, rows * width)?;
    let sizes = [size(vocab), size(groups), size(lanes * times), size(parts), size(listed)];
    let args = [&[logits.at(0), keys.at(0), softmax.at(0), lists.at_mut(0)][..], &sizes].concat();
    gpu.launch(&name("select_list", &[logits.element()]), Grid::of(blocks(rows, 1), 512), &args)?;
    Ok(lists.download_u32()?.chunks_exact(width).map(|row| of_words(row, listed)).collect())
}

/// A row as the kernel leaves it.
fn of_words(words: &[u32], room: usize) -> Shortlist {
    let (header, lists) = words.split_at(HEADER);
    let (values, ids) = lists.split_at(room);
    let listed = ids.iter().copied().zip(values.iter().copied().map(f32::from_bits));
    Shortlist {
        listed: listed.take(header[2] as usize).collect(),
        bound: f32::from_bits(header[3]),
        max: f32::from_bits(header[0]),
        sum: f32::from_bits(header[1]),
    }
}
