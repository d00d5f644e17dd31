//! The launches of `rope.cu`.

use super::Pairs;
use crate::error::Result;
use crate::gpu::{Arg, Grid, blocks, common_type, f32_only, name, over_columns};
use crate::tensor::{Matrix, RowIndices};

/// Rotates in place; `cos, sin [tokens, half]`.
pub(super) fn rotate(
    cos: &Matrix,
    sin: &Matrix,
    head_dim: usize,
    pairs: Pairs,
    sign: f32,
    x: &mut Matrix,
) -> Result<()> {
    let (half, (tokens, width)) = (cos.cols(), x.shape());
    let heads = width / head_dim;
    let kernel = match pairs {
        Pairs::Halves => "rope_halves",
        Pairs::Neighbours => "rope_neighbours",
    };
    let x = x.array_mut()?;
    let elements = [x.element()];
    let args = [
        x.at_mut(0),
        f32_only(cos.array()?)?.at(0),
        f32_only(sin.array()?)?.at(0),
        Arg::from(heads as u32),
        Arg::from(head_dim as u32),
        Arg::from(half as u32),
        Arg::from(sign),
    ];
    x.gpu().launch(&name(kernel, &elements), over_columns(tokens, heads * half, &elements), &args)
}

/// Rotates queries in place, and writes rotated keys and values to their places in the matrices of a pool.
pub(super) fn rotate_and_store(
    [cos, sin]: [&Matrix; 2],
    head_dim: usize,
    pairs: Pairs,
    [q, k, v]: [&mut Matrix; 3],
    places: &RowIndices,
    pool: [&mut Matrix; 2],
) -> Result<()> {
    const THREADS: usize = 256;
    let (half, (tokens, queries), keys) = (cos.cols(), q.shape(), k.cols());
    let places = [&*pool[0], &*pool[1]].map(|to| places.fitting(k, to)).into_iter().collect::<Result<Vec<_>>>()?[0];
    let kernel = match pairs {
        Pairs::Halves => "rope_store_halves",
        Pairs::Neighbours => "rope_store_neighbours",
    };
    let elements = [common_type(&[q.array()?, k.array()?, v.array()?, pool[0].array()?, pool[1].array()?])?];
    let sizes = [queries / head_dim, keys / head_dim, head_dim, half].map(|size| Arg::from(size as u32));
    let mut args = Vec::with_capacity(12);
    let [all_k, all_v] = pool;
    for matrix in [&mut *q, k, v, all_k, all_v] {
        args.push(matrix.array_mut()?.at_mut(0));
    }
    args.extend([places.at(0), f32_only(cos.array()?)?.at(0), f32_only(sin.array()?)?.at(0)]);
    args.extend(sizes);
    // A pair of queries or keys each, or one of the features that are only copied.
    let work = (queries + keys) / head_dim * half + keys / head_dim * (head_dim - 2 * half) + keys;
    let grid = Grid { blocks: [blocks(tokens, 1), blocks(work, THREADS), 1], threads: THREADS as u32, shared: 0 };
    q.array()?.gpu().launch_early(&name(kernel, &elements), grid, &args)
}
