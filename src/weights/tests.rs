//! Every type of the table: products and gradients are those of the dequantized weight.

use super::*;
use crate::error::Code;
use crate::tensor::testing::{assert_close, flat, normal, relative_error};
use crate::tensor::{Device, Form};
use candle_core::quantized::QTensor;

/// Rows, inputs, outputs: few rows and many, outputs that fill no task and more than one group.
const SHAPES: [(usize, usize, usize); 5] = [(1, 256, 1), (3, 512, 39), (9, 256, 67), (20, 768, 600), (200, 256, 96)];

fn quantized(kind: &WeightType, weight: &Matrix, exact: bool) -> Arc<dyn FrozenMatrix> {
    (kind.quantize)([weight.rows(), weight.cols()], weight.slice().unwrap(), exact).unwrap()
}

fn dequantized(weight: &dyn FrozenMatrix) -> Matrix {
    weight.gather(&(0..weight.shape().0 as u32).collect::<Vec<_>>()).unwrap()
}

/// What a type may lose of a random weight, relative to its largest value.
fn loss(kind: &WeightType) -> f64 {
    match kind.name {
        "q8_0" => 5e-3,
        "q6_k" => 0.03,
        "q5_0" | "q5_k" => 0.06,
        _ => 0.12,
    }
}

#[test]
fn exact_products_are_those_of_the_dequantized_weight() {
    // Rows that are no whole blocks, where a type takes them.
    let odd = [(7, 100, 50), (1, 33, 31), (5, 32, 1)];
    for kind in TYPES {
        let shapes = SHAPES.iter().chain(if kind.block == 1 { &odd[..] } else { &[] });
        for &(rows, inputs, outputs) in shapes {
            let (x, w, dy) = (normal(rows, inputs, 1), normal(outputs, inputs, 2), normal(rows, outputs, 3));
            let q = quantized(kind, &w, true);
            assert_eq!((q.shape(), q.type_name()), ((outputs, inputs), kind.name));
            let dense = dequantized(&*q);
            let lost = relative_error(&dense, &w);
            assert!(lost < loss(kind), "{kind:?}: {lost}");
            assert_close(&q.product(&Operand::of(&x)).unwrap(), &Matrix::product(Form::NT, &x, &dense).unwrap(), 1e-5);
            assert_close(&q.transposed_product(&dy).unwrap(), &Matrix::product(Form::NN, &dy, &dense).unwrap(), 1e-5);
        }
    }
}

#[test]
fn fast_products_are_close() {
    for kind in TYPES {
        for (rows, inputs, outputs) in SHAPES {
            let (x, w, dy) = (normal(rows, inputs, 1), normal(outputs, inputs, 2), normal(rows, outputs, 3));
            let (fast, exact) = (quantized(kind, &w, false), quantized(kind, &w, true));
            assert_close(&fast.product(&Operand::of(&x)).unwrap(), &exact.product(&Operand::of(&x)).unwrap(), 2e-2);
            assert_close(&fast.transposed_product(&dy).unwrap(), &exact.transposed_product(&dy).unwrap(), 2e-2);
        }
    }
}

#[test]
fn blocks_from_a_file_are_taken_as_they_are() {
    let w = normal(5, 512, 4);
    for kind in TYPES {
        let q = quantized(kind, &w, true);
        let stored = QTensor::quantize(&w.tensor().unwrap(), kind.ggml).unwrap();
        // One byte off, so that nothing is aligned.
        let bytes = [&[0u8], &*stored.data().unwrap()].concat();
        let size = ggml::row_bytes(kind.ggml, 512).unwrap();
        let row = |i: usize| Ok(&bytes[1 + i * size..][..size]);
        let read = (kind.from_rows)([5, 512], &row, true).unwrap();
        let mut values = vec![0.0; 512];
        ggml::dequantize(kind.ggml, row(3).unwrap(), &mut values).unwrap();
        assert_eq!(flat(&read.gather(&[3]).unwrap()), values, "{kind:?}");
        assert!(relative_error(&dequantized(&*read), &dequantized(&*q)) < loss(kind));
        assert!((kind.from_rows)([5, 512], &|i| row(i).map(|r| &r[1..]), true).is_err());
    }
}

#[test]
fn what_is_not_a_number_stays_visible_and_widths_are_checked() {
    let mut data = vec![1.0f32; 256];
    data[40] = f32::NAN;
    let x = Matrix::new(1, 256, data, &Device::host()).unwrap();
    for kind in TYPES {
        for exact in [false, true] {
            let q = quantized(kind, &normal(3, 256, 1), exact);
            assert!(flat(&q.product(&Operand::of(&x)).unwrap()).iter().all(|v| v.is_nan()), "{kind:?}");
            assert_eq!(q.product(&Operand::owned(normal(1, 255, 1))).unwrap_err().code(), Code::Internal);
        }
        let refused = (kind.quantize)([3, 250], &[0.0; 750], false).is_err();
        assert_eq!(refused, kind.block > 1);
    }
}

#[test]
fn scales_tell_whether_blocks_are_finite() {
    for kind in TYPES {
        let size = kind.ggml.type_size();
        let finite_by_values = |block: &[u8]| {
            let mut values = vec![0.0; kind.ggml.block_size()];
            ggml::dequantize(kind.ggml, block, &mut values).unwrap();
            let finite = values.iter().filter(|value| value.is_finite()).count();
            assert!([0, values.len()].contains(&finite), "{kind:?}: {finite}");
            finite > 0
        };
        let with = |rest: u8, scales: &[u16]| {
            let mut block = vec![rest; size];
            for (&at, scale) in kind.scales.iter().zip(scales) {
                block[at..at + 2].copy_from_slice(&scale.to_le_bytes());
            }
            assert_eq!(kind.is_finite(&[&*block, &block].concat()), finite_by_values(&block), "{kind:?} {scales:x?}");
            kind.is_finite(&block)
        };
        let (largest, infinite, not_a_number) = (0x7bff, 0xfc00, 0x7e01);
        // With all integers the largest by amount, and all of them zero.
        for rest in [0xff, 0x7f, 0] {
            assert!(with(rest, &[largest; 2]) && with(rest, &[0; 2]));
            for bad in [infinite, not_a_number] {
                assert!(!with(rest, &[bad, 0]));
                assert_eq!(with(rest, &[0, bad]), kind.scales.len() == 1);
            }
        }
    }
}

#[test]
fn a_weight_takes_the_bits_that_its_type_has() {
    for kind in TYPES {
        let bits = match kind.name {
            "q4_0" => 4.5,
            "q5_0" => 5.5,
            // Scales and mins of six bits take a byte.
            "q4_k" => 4.625,
            "q5_k" => 5.625,
            "q6_k" => 6.5625,
            _ => 8.5,
        };
        let q = quantized(kind, &normal(64, 512, 1), false);
        assert_eq!(q.bytes(Purpose::Inference) as f64 * 8.0, 64.0 * 512.0 * bits);
    }
}

#[test]
fn every_name_finds_its_type() {
    for kind in TYPES {
        assert_eq!(WeightType::named(kind.name), Some(kind));
        assert_eq!(WeightType::of_ggml(kind.ggml), Some(kind));
        assert!(WeightType::named(kind.head).is_some());
    }
    assert_eq!((WeightType::named("q9"), WeightType::of_ggml(GgmlDType::Q2K)), (None, None));
    assert!(TYPES.contains(&FALLBACK) && FALLBACK.block == 1);
    let fitting = |name: &str, width: usize| WeightType::named(name).unwrap().fitting(width).name;
    assert_eq!(["q4_k", "q5_0", "q8_0"], [512, 896, 300].map(|width| fitting("q4_k", width)));
    assert_eq!(["q6_k", "q8_0"], [512, 896].map(|width| fitting("q6_k", width)));
}
