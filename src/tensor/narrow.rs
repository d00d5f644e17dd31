//! The launches of `narrow.cu`: products of many rows with or over a narrow matrix, which cuBLAS makes at a fraction of the
//! speed of memory.

use super::form::Form;
use super::gpu_products::Operand;
use crate::error::Result;
use crate::gpu::{Arg, Array, Element, Grid, blocks};

/// The most columns of a narrow matrix.
const MOST: usize = 32;
/// Rows from which on its kernels have enough to do.
const MANY: usize = 128;
/// Elements that they read at a time.
const PACK: usize = 8;

/// A tall matrix and a narrow one.
#[derive(Clone, Copy)]
struct Pair<'a> {
    tall: Operand<'a>,
    narrow: Operand<'a>,
    /// Columns of the narrow matrix, as it stands in the product.
    rank: usize,
}

impl<'a> Pair<'a> {
    /// If these are such, and lie as the kernels read them.
    fn of(tall: Operand<'a>, narrow: Operand<'a>, rank: usize) -> Option<Self> {
        let (rows, columns) = tall.2;
        let fits = (1..=MOST).contains(&rank) && rows >= MANY && columns > 0 && columns.is_multiple_of(PACK);
        (fits && lies(tall) && lies(narrow)).then_some(Pair { tall, narrow, rank })
    }

    fn launch(self, kernel: &str, grid: Grid, y: &mut Array, scale: f32, strides: &[Arg]) -> Result<()> {
        let ((tall, first, (rows, columns)), (narrow, of_narrow, _)) = (self.tall, self.narrow);
        let sizes = [rows, columns, self.rank].map(|size| Arg::from(size as u32));
        let operands = [tall.at(first), narrow.at(of_narrow), y.at_mut(0)];
        let name = format!("narrow_{kernel}_{}_bf16", self.octets());
        y.gpu().launch(&name, grid, &[&operands[..], &sizes, &[Arg::from(scale)], strides].concat())
    }

    fn octets(self) -> usize {
        self.rank.div_ceil(8)
    }

    /// The tall matrix times the narrow one.
    fn product(self, kernel: &str, scale: f32) -> Result<Array> {
        let rows = self.tall.2.0;
        let mut y = Array::new(self.tall.0.gpu(), Element::Bf16, rows * self.rank)?;
        self.launch(kernel, Grid::of(blocks(rows, 16), 1024), &mut y, scale, &[])?;
        Ok(y)
    }

    /// Sums over the rows of both.
    fn sums(self, scale: f32, column_stride: usize, rank_stride: usize) -> Result<Array> {
        let columns = self.tall.2.1;
        let mut y = Array::new(self.tall.0.gpu(), Element::F32, columns * self.rank)?;
        let grid = Grid::of(blocks(columns, 64), if self.octets() == 1 { 1024 } else { 512 });
        let strides = [column_stride, rank_stride].map(|stride| Arg::from(stride as u32));
        self.launch("sums", grid, &mut y, scale, &strides)?;
        Ok(y)
    }
}

/// Whether the kernels can read it.
fn lies((array, first, _): Operand<'_>) -> bool {
    array.element() == Element::Bf16 && first.is_multiple_of(PACK)
}

/// `d w` or `d wᵀ` of two narrow matrices with `columns` columns, if these are such.
fn outer(kernel: &str, d: Operand<'_>, w: Operand<'_>, columns: usize, scale: f32) -> Option<Result<Array>> {
    let (rows, rank) = d.2;
    if !(1..=MOST).contains(&rank) || rows < MANY || columns == 0 || !columns.is_multiple_of(PACK) {
        return None;
    }
    let launch = || {
        let mut y = Array::new(d.0.gpu(), Element::Bf16, rows * columns)?;
        let grid = Grid { blocks: [blocks(columns, 256), blocks(rows, 256), 1], threads: 128, shared: 0 };
        let sizes = [rows, columns, rank].map(|size| Arg::from(size as u32));
        let operands = [d.0.at(d.1), w.0.at(w.1), y.at_mut(0)];
        let name = format!("narrow_{kernel}_{}_bf16", rank.div_ceil(16));
        y.gpu().launch(&name, grid, &[&operands[..], &sizes, &[Arg::from(scale)]].concat())?;
        Ok(y)
    };
    (lies(d) && lies(w)).then(launch)
}

/// `scale ·` the product, if it is one of these.
pub(super) fn product(form: Form, a: Operand<'_>, b: Operand<'_>, scale: f32) -> Result<Option<Array>> {
    match form {
        Form::NT => {
            let of = Pair::of(a, b, b.2.0).map(|pair| pair.product("of_rows", scale));
            of.or_else(|| outer("by_rows", a, b, b.2.0, scale))
        }
        Form::NN => {
            let of = Pair::of(a, b, b.2.1).map(|pair| pair.product("of_columns", scale));
            of.or_else(|| outer("by_columns", a, b, b.2.1, scale))
        }
        Form::TN => {
            let ((_, m), (_, n)) = (a.2, b.2);
            let by_columns = Pair::of(a, b, n).map(|pair| pair.sums(scale, n, 1));
            by_columns.or_else(|| Pair::of(b, a, m).map(|pair| pair.sums(scale, 1, n)))
        }
    }
    .transpose()
}

#[cfg(all(test, feature = "cuda-emulator"))]
mod tests {
    use super::*;
    use crate::gpu::Gpu;
    use crate::tensor::testing::normal;
    use crate::tensor::{Device, Matrix};

    #[test]
    fn they_are_the_products_of_cublas() {
        let gpu = Gpu::emulator();
        let (rows, columns) = (150, 72);
        let on_card = |rows, cols, seed| {
            let bits: Vec<u16> = normal(rows, cols, seed).values().unwrap().iter().map(|x| bf16(*x)).collect();
            Array::upload_bf16(&gpu, &bits).unwrap()
        };
        for rank in [8, 20] {
            let x = on_card(rows, columns, 1);
            let [w, d] = [on_card(columns, rank, 2), on_card(rows, rank, 3)];
            let (tall, narrow) = ((&x, 0, (rows, columns)), (&d, 0, (rows, rank)));
            for (form, a, b) in [
                (Form::NT, tall, (&w, 0, (rank, columns))),
                (Form::NT, narrow, (&w, 0, (columns, rank))),
                (Form::NN, narrow, (&w, 0, (rank, columns))),
                (Form::NN, tall, (&w, 0, (columns, rank))),
                (Form::TN, tall, narrow),
                (Form::TN, narrow, tall),
            ] {
                let found = product(form, a, b, 0.5).unwrap().unwrap();
                let wide = |(array, _, (rows, cols)): Operand<'_>| {
                    Matrix::new(rows, cols, array.download_f32().unwrap(), &Device::host()).unwrap()
                };
                let expected = Matrix::scaled_product(form, &wide(a), &wide(b), 0.5).unwrap();
                for (found, expected) in found.download_f32().unwrap().into_iter().zip(expected.values().unwrap()) {
                    assert!((found - expected).abs() < 1e-2 * expected.abs().max(4.0), "{rank}: {found} {expected}");
                }
            }
        }
    }

    #[test]
    fn what_they_are_not_is_left_to_others() {
        let array = Array::zeros(&Gpu::emulator(), Element::Bf16, 200 * 200).unwrap();
        let of = |a, b| product(Form::NT, (&array, 0, a), (&array, 0, b), 1.0).unwrap().is_some();
        assert!(of((128, 64), (8, 64)));
        assert!(!of((127, 64), (8, 64)) && !of((128, 63), (8, 63)) && !of((128, 64), (33, 64)));
        assert!(product(Form::NT, (&array, 4, (128, 64)), (&array, 0, (8, 64)), 1.0).unwrap().is_none());
    }

    fn bf16(x: f32) -> u16 {
        half::bf16::from_f32(x).to_bits()
    }
}
