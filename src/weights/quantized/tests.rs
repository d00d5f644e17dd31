//! Every kernel that this CPU has gives the same bits, for every type, whatever the number of rows.

use super::matrix::QuantizedMatrix;
use super::tile::Tile;
use super::tiles::Tiles;
use super::types::{q4_0::Q4Tile, q4_k::Q4KTile, q5_0::Q5Tile, q5_k::Q5KTile, q6_k::Q6KTile, q8_0::Q8Tile};
use crate::tensor::testing::{assert_close, normal};
use crate::tensor::{Device, Form, Matrix};
use crate::weights::eight_bits::{Activations, Order};
use crate::weights::kernel::{Kernel, ROWS};
use crate::weights::{FrozenMatrix, Operand, Purpose, panel_product};

fn check<T: Tile>() {
    let (outputs, inputs) = (70, if T::TYPE.block == 1 { 500 } else { 3 * T::SPAN.max(256) });
    let w = normal(outputs, inputs, 1);
    let row = |row: usize, out: &mut [f32]| out.copy_from_slice(&w.slice().unwrap()[row * inputs..][..inputs]);
    let tiles = Tiles::<T>::quantize(outputs, inputs, row).unwrap();
    let x = normal(9 * ROWS + 3, inputs, 2);
    let kernels = Kernel::all();
    let product = |kernel: Kernel, rows: usize| {
        let order = Order::of(kernel, rows, T::LIES_IN_TILES);
        let x = Activations::quantize(&x.slice().unwrap()[..rows * inputs], inputs, T::SPAN, order);
        panel_product::alone(Box::new(tiles.times(kernel, &x)), rows).unwrap()
    };
    let expected = product(kernels[0], x.rows());
    for kernel in kernels {
        for rows in 1..=x.rows() {
            let found = product(kernel, rows);
            assert_eq!(found[..], expected[..rows * outputs], "{} {kernel:?}, {rows} rows", T::TYPE.name);
        }
    }
}

#[test]
fn all_kernels_give_the_same_bits_for_any_number_of_rows() {
    check::<Q8Tile>();
    check::<Q4Tile>();
    check::<Q5Tile>();
    check::<Q4KTile>();
    check::<Q5KTile>();
    check::<Q6KTile>();
}

fn q8_0(weight: &Matrix, exact: bool) -> QuantizedMatrix<Q8Tile> {
    QuantizedMatrix::quantize([weight.rows(), weight.cols()], weight.slice().unwrap(), exact).unwrap()
}

#[test]
fn integers_that_fit_are_multiplied_exactly() {
    // Multiples of 1/127 of a largest value that every block has: quantization loses nothing.
    let values = |rows: usize, cols: usize, step: usize| {
        let value = |i: usize| if i.is_multiple_of(32) { 127.0 } else { ((i * step) % 255) as f32 - 127.0 };
        Matrix::new(rows, cols, (0..rows * cols).map(value).collect(), &Device::host()).unwrap()
    };
    let (x, w) = (values(13, 64, 7), values(40, 64, 11));
    let expected = Matrix::product(Form::NT, &x, &w).unwrap();
    for exact in [false, true] {
        assert_close(&q8_0(&w, exact).product(&Operand::of(&x)).unwrap(), &expected, 1e-6);
    }
}

#[test]
fn the_transpose_is_made_only_for_training() {
    let q = q8_0(&normal(64, 128, 1), false);
    q.product(&Operand::owned(normal(2, 128, 2))).unwrap();
    assert!(!q.has_transposed());
    let both = if q.rounds_operands() { 2 } else { 1 };
    assert_eq!(q.bytes(Purpose::Training), both * q.bytes(Purpose::Inference));
}
