//! What is done to matrices on a card element by element and row by row: the launches of `elements.cu` and `rows.cu`.

use crate::error::Result;
use crate::gpu::{Arg, Array, Element, Grid, common_type, f32_only, name, over_columns, over_elements};

/// Blocks of a reduction, each of which leaves a number for the host to add.
const MOST_PARTIALS: u32 = 1024;

/// `to += from`; bf16 that f32 is added to becomes f32, as an activation that joins the residual stream does.
pub(super) fn add(to: &mut Array, from: &Array) -> Result<()> {
    if (to.element(), from.element()) == (Element::Bf16, Element::F32) {
        let mut sum = Array::new(to.gpu(), Element::F32, to.len())?;
        let args = [from.at(0), to.at(0), sum.at_mut(0), length(from)];
        let elements = [Element::F32, Element::Bf16];
        to.gpu().launch(&name("join", &elements), over_elements(from.len(), &elements), &args)?;
        *to = sum;
        return Ok(());
    }
    let elements = [to.element(), from.element()];
    let args = [to.at_mut(0), from.at(0), length(from)];
    to.gpu().launch(&name("add", &elements), over_elements(from.len(), &elements), &args)
}

/// `to += scale · from`, from an element of `to` on.
pub(super) fn add_scaled(to: &mut Array, first: usize, from: &Array, scale: f32) -> Result<()> {
    let elements = [to.element(), from.element()];
    let args = [to.at_mut(first), from.at(0), scale.into(), length(from)];
    to.gpu().launch(&name("add_scaled", &elements), over_elements(from.len(), &elements), &args)
}

/// Adds `row` to every row of `x`, whose rows are as long.
pub(super) fn add_row(x: &mut Array, row: &Array) -> Result<()> {
    let (elements, cols) = ([x.element()], row.len());
    let grid = over_columns(x.len() / cols.max(1), cols, &elements);
    let args = [x.at_mut(0), f32_only(row)?.at(0), Arg::from(cols as u32)];
    x.gpu().launch(&name("add_row", &elements), grid, &args)
}

/// `x *= factor`
pub(super) fn scale(x: &mut Array, factor: f32) -> Result<()> {
    let elements = [x.element()];
    let args = [x.at_mut(0), factor.into(), length(x)];
    x.gpu().launch(&name("scale", &elements), over_elements(x.len(), &elements), &args)
}

/// Σ x². Waits.
pub(super) fn sum_of_squares(x: &Array) -> Result<f64> {
    let grid = of_few_blocks(x);
    let mut partials = Array::new(x.gpu(), Element::F32, grid.blocks[0] as usize)?;
    let args = [x.at(0), partials.at_mut(0), length(x)];
    x.gpu().launch(&name("sum_of_squares", &[x.element()]), grid, &args)?;
    Ok(partials.download_f32()?.into_iter().map(f64::from).sum())
}

/// Whether every element is a finite number. Waits.
pub(super) fn is_finite(x: &Array) -> Result<bool> {
    let mut flag = Array::zeros(x.gpu(), Element::U32, 1)?;
    let args = [x.at(0), flag.at_mut(0), length(x)];
    x.gpu().launch(&name("not_finite", &[x.element()]), of_few_blocks(x), &args)?;
    Ok(flag.download_u32()? == [0])
}

/// The rows of those indices.
pub(super) fn gather(x: &Array, cols: usize, rows: &[u32]) -> Result<Array> {
    let mut out = Array::new(x.gpu(), x.element(), rows.len() * cols)?;
    let indices = Array::upload_u32(x.gpu(), rows)?;
    let args = [x.at(0), indices.at(0), out.at_mut(0), Arg::from(cols as u32)];
    // Its kernel takes eight elements a thread, whatever their type.
    let grid = over_columns(rows.len(), cols, &[Element::Bf16]);
    x.gpu().launch(&name("gather_rows", &[x.element(), x.element()]), grid, &args)?;
    Ok(out)
}

/// `total` rows: sums of those of `x` at the indices that `rows` gives them, zeros elsewhere.
pub(super) fn scatter(x: &Array, cols: usize, rows: &[u32], total: usize) -> Result<Array> {
    let mut out = Array::zeros(x.gpu(), x.element(), total * cols)?;
    let indices = Array::upload_u32(x.gpu(), rows)?;
    let args = [out.at_mut(0), x.at(0), indices.at(0), Arg::from(rows.len() as u32), Arg::from(cols as u32)];
    let elements = [x.element()];
    x.gpu().launch(&name("scatter_add_rows", &elements), over_columns(rows.len(), cols, &elements), &args)?;
    Ok(out)
}

/// Writes the rows of `from` over those of these indices.
pub(super) fn put_rows(to: &mut Array, cols: usize, places: &Array, from: &Array) -> Result<()> {
    let cast = from.in_type(to.element())?;
    let from = cast.as_ref().unwrap_or(from);
    let args = [to.at_mut(0), from.at(0), places.at(0), Arg::from(cols as u32)];
    to.gpu().launch(&name("put_rows", &[to.element()]), Grid::of(places.len() as u32, 128), &args)
}

/// Copies `width` columns of all rows of `from`; each matrix comes with its columns and the first of them that counts.
pub(super) fn copy_columns(
    to: &mut Array,
    to_cols: usize,
    to_first: usize,
    from: &Array,
    from_cols: usize,
    from_first: usize,
    width: usize,
) -> Result<()> {
    let rows = from.len() / from_cols.max(1);
    if rows == 0 || width == 0 {
        return Ok(());
    }
    let cast = from.in_type(to.element())?;
    let from = cast.as_ref().unwrap_or(from);
    let elements = [common_type(&[to, from])?];
    let args = [
        from.at(from_first),
        Arg::from(from_cols as u64),
        to.at_mut(to_first),
        Arg::from(to_cols as u64),
        Arg::from(width as u32),
    ];
    to.gpu().launch(&name("copy_columns", &elements), over_columns(rows, width, &elements), &args)
}

/// The blocks follow from the length alone, so a sum has the same bits on every card.
fn of_few_blocks(x: &Array) -> Grid {
    let mut grid = over_elements(x.len(), &[x.element()]);
    grid.blocks[0] = grid.blocks[0].min(MOST_PARTIALS);
    grid
}

fn length(array: &Array) -> Arg {
    Arg::from(array.len() as u64)
}
