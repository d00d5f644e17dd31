//! The panels against the products of matrices, on all kernels that this CPU has.

use super::pairs::{Bf16Pair, F16Pair, F32Pair, NARROW, Pair, WIDE};
use super::panels::Panels;
use super::*;
use crate::tensor::Bf16Matrix;
use crate::tensor::testing::{assert_close, flat, normal};
use crate::weights::kernel::{Kernel, ROWS};

fn check<P: Pair<OUTPUTS>, const OUTPUTS: usize>() {
    for (outputs, inputs) in [(70, 300), (33, 7), (32, 128), (1, 1)] {
        let weight = normal(outputs, inputs, 1);
        let panels = Panels::<P, OUTPUTS>::new(outputs, inputs, weight.slice().unwrap()).unwrap();
        let x = normal(40 * ROWS + 5, inputs, 2);
        let product = |kernel: Kernel, rows: usize| {
            let product = panels.times_f32(kernel, &x.slice().unwrap()[..rows * inputs]);
            panel_product::alone(Box::new(product), rows).unwrap()
        };
        let kernels = Kernel::all();
        let expected = product(kernels[0], x.rows());
        for kernel in kernels {
            for rows in (1..3 * ROWS).chain([x.rows()]) {
                assert_eq!(
                    product(kernel, rows)[..],
                    expected[..rows * outputs],
                    "{} {kernel:?}, {rows} rows",
                    P::NAME
                );
            }
        }
    }
}

#[test]
fn all_kernels_give_the_same_bits_for_any_number_of_rows() {
    check::<F32Pair<WIDE>, WIDE>();
    check::<F32Pair<NARROW>, NARROW>();
    check::<Bf16Pair<WIDE>, WIDE>();
    check::<F16Pair<WIDE>, WIDE>();
    check::<F16Pair<NARROW>, NARROW>();
}

#[test]
fn numbers_that_no_f16_can_be_near_stay_in_f32() {
    for factor in [3e-30f32, 7e28] {
        let mut w = normal(5, 7, 2);
        w.scale(f64::from(factor)).unwrap();
        let (weight, unit) = Dense::of_adapter(&w, true).unwrap();
        assert_eq!((weight.type_name(), unit), ("f32", 1.0));
        assert_eq!(flat(&weight.gather(&[0, 1, 2, 3, 4]).unwrap()), flat(&w));
    }
}

#[test]
fn a_weight_in_f16_has_eleven_bits_of_each_value_whatever_their_size() {
    for (rows, inputs, outputs) in [(1, 64, 8), (7, 33, 5), (200, 130, 600)] {
        for factor in [1.0f32, 3e-12, 7e14, 0.0] {
            let mut w = normal(outputs, inputs, 2);
            w.scale(f64::from(factor)).unwrap();
            let (half, unit) = Dense::of_adapter(&w, true).unwrap();
            let stored = half.gather(&(0..outputs as u32).collect::<Vec<_>>()).unwrap();
            for (stored, given) in flat(&stored).into_iter().zip(flat(&w)) {
                let (stored, given) = (f64::from(stored) * f64::from(unit), f64::from(given));
                assert!((stored - given).abs() <= given.abs() / 2048.0 + f64::from(factor) * 1e-7, "{stored} {given}");
            }
            let x = normal(rows, inputs, 1);
            let mut y = half.product(&Operand::of(&x)).unwrap();
            y.scale(f64::from(unit)).unwrap();
            let expected = Matrix::product(Form::NT, &x, &w).unwrap();
            let largest = flat(&expected).iter().fold(0.0f32, |largest, value| largest.max(value.abs()));
            assert!(flat(&y).iter().zip(flat(&expected)).all(|(y, e)| (y - e).abs() <= 1e-3 * largest), "{factor}");
        }
    }
}

#[test]
fn products_and_rows_are_those_of_the_rounded_weight() {
    let device = Device::host();
    for dtype in [Dtype::F32, Dtype::Bf16] {
        for (rows, inputs, outputs) in [(1, 64, 40), (7, 33, 5), (200, 130, 600)] {
            let (x, w, dy) = (normal(rows, inputs, 1), normal(outputs, inputs, 2), normal(rows, outputs, 3));
            let kind = DenseType::on(&device, dtype, false);
            let dense = Dense::new([outputs, inputs], w.values().unwrap(), kind, true, &device).unwrap();
            assert_eq!((dense.shape(), dense.type_name()), ((outputs, inputs), kind.name()));
            let stored = dense.gather(&(0..outputs as u32).collect::<Vec<_>>()).unwrap();
            for (stored, given) in flat(&stored).into_iter().zip(flat(&w)) {
                let rounded = half::bf16::from_f32(given).to_f32();
                assert_eq!(stored, if dtype == Dtype::F32 { given } else { rounded });
            }
            assert_close(
                &dense.product(&Operand::of(&x)).unwrap(),
                &Matrix::product(Form::NT, &x, &stored).unwrap(),
                1e-5,
            );
            assert_close(
                &dense.transposed_product(&dy).unwrap(),
                &Matrix::product(Form::NN, &dy, &stored).unwrap(),
                1e-5,
            );
            assert_eq!(dense.product(&Operand::owned(normal(1, inputs + 1, 1))).unwrap_err().code(), Code::Internal);
        }
    }
}

#[test]
fn products_of_bf16_are_those_of_the_rounded_operands_whatever_the_number_of_rows() {
    let device = Device::host();
    let kind = DenseType::on(&device, Dtype::Bf16, true);
    for (rows, inputs, outputs) in
        [(1, 64, 40), (7, 33, 5), (200, 130, 600), (397, 70, 97), (1540, 20, 33), (1000, 1060, 70)]
    {
        let (x, w, dy) = (normal(rows, inputs, 1), normal(outputs, inputs, 2), normal(rows, outputs, 3));
        let [exact, rounding] = [true, false]
            .map(|exact| Dense::new([outputs, inputs], w.values().unwrap(), kind, exact, &device).unwrap());
        assert!(!exact.rounds_operands());
        if !rounding.rounds_operands() {
            println!("SKIPPED: this CPU has no AVX-512 BF16");
            return;
        }
        let rounded = |matrix: &Matrix| Bf16Matrix::of(matrix).unwrap().to_f32().unwrap();
        let y = rounding.product(&Operand::of(&x)).unwrap();
        assert_close(&y, &exact.product(&Operand::owned(rounded(&x))).unwrap(), 1e-5);
        let dx = rounding.transposed_product(&dy).unwrap();
        assert_close(&dx, &exact.transposed_product(&rounded(&dy)).unwrap(), 1e-5);
        for count in (1..=rows.min(40)).filter(|count| *count < 8 || count % 8 == 1) {
            let last = flat(&x)[(rows - count) * inputs..].to_vec();
            let last = rounding.product(&Operand::owned(Matrix::new(count, inputs, last, &device).unwrap())).unwrap();
            assert_eq!(flat(&last), flat(&y)[(rows - count) * outputs..], "{count} of {rows} rows");
        }
    }
}
