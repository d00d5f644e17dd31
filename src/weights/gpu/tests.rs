//! Every type on a card: values are those of the CPU's, products close to exact ones.

use super::*;
use crate::tensor::testing::{assert_close, error_beside, flat, normal};
use crate::tensor::{Device, DeviceChoice, Form};
use crate::weights::{TYPES, ggml};
use candle_core::quantized::QTensor;

/// Rows for each kernel, for more than one pass, and for a dequantized weight.
const ROWS: [usize; 7] = [1, 2, 3, 8, 9, 31, 72];

fn emulator() -> Device {
    DeviceChoice::Emulator.open().unwrap()
}

/// A matrix on a card in a type.
fn on_card(x: &Matrix, device: &Device, element: Element) -> Matrix {
    let x = x.to(device).unwrap();
    Matrix::of_array(x.rows(), x.cols(), x.array().unwrap().cast(element).unwrap())
}

/// Sums that cancel to nothing count as one.
fn close(found: &Matrix, expected: &Matrix, tolerance: f64) {
    let error = error_beside(1.0, found, expected);
    assert!(error <= tolerance, "relative error {error:e} exceeds {tolerance:e}");
}

fn check_products(weight: &GpuWeight, dense: &Matrix, tolerance: f64) {
    let device = emulator();
    for element in [Element::F32, Element::Bf16] {
        for rows in ROWS {
            let (x, dy) = (normal(rows, dense.cols(), 1), normal(rows, dense.rows(), 2));
            let y = weight.product(&Operand::owned(on_card(&x, &device, element))).unwrap();
            assert_eq!(y.array().unwrap().element(), element);
            close(&y, &Matrix::product(Form::NT, &x, dense).unwrap(), tolerance);
            let dx = weight.transposed_product(&on_card(&dy, &device, element)).unwrap();
            assert_eq!(dx.array().unwrap().element(), element);
            close(&dx, &Matrix::product(Form::NN, &dy, dense).unwrap(), tolerance);
        }
    }
}

#[test]
fn blocks_have_the_values_and_the_products_of_the_cpus() {
    let (outputs, inputs) = (39, 768);
    let w = normal(outputs, inputs, 4);
    let all: Vec<u32> = (0..outputs as u32).rev().collect();
    for kind in TYPES {
        let stored = QTensor::quantize(&w.tensor().unwrap(), kind.ggml).unwrap();
        let bytes = stored.data().unwrap();
        let size = ggml::row_bytes(kind.ggml, inputs).unwrap();
        let row = |i: usize| Ok(&bytes[i * size..][..size]);
        let host = (kind.from_rows)([outputs, inputs], &row, true).unwrap();
        let device = emulator();
        let weight = GpuWeight::from_rows(device.gpu().unwrap(), kind, [outputs, inputs], &row).unwrap();
        assert_eq!((weight.shape(), weight.type_name()), (host.shape(), kind.name));
        assert_eq!(weight.bytes(Purpose::Training), bytes.len() as u64);
        assert_eq!(flat(&weight.gather(&all).unwrap()), flat(&host.gather(&all).unwrap()), "{kind:?}");
        let dense = host.gather(&(0..outputs as u32).collect::<Vec<_>>()).unwrap();
        check_products(&weight, &dense, 2e-2);
        assert!(
            GpuWeight::from_rows(device.gpu().unwrap(), kind, [outputs, inputs], &|i| row(i).map(|r| &r[1..])).is_err()
        );
    }
}

#[test]
fn sums_over_parts_of_the_rows_are_those_over_all() {
    let (outputs, inputs, rows) = (300, 256, 40);
    let device = emulator();
    let w = normal(outputs, inputs, 4);
    let kind = TYPES.iter().find(|kind| kind.name == "q6_k").unwrap();
    let stored = QTensor::quantize(&w.tensor().unwrap(), kind.ggml).unwrap();
    let bytes = stored.data().unwrap();
    let size = ggml::row_bytes(kind.ggml, inputs).unwrap();
    let row = |i: usize| Ok(&bytes[i * size..][..size]);
    let weight = GpuWeight::from_rows(device.gpu().unwrap(), kind, [outputs, inputs], &row).unwrap();
    let Storage::Blocks(blocks) = &weight.storage else { panic!("blocks are dense") };
    for element in [Element::F32, Element::Bf16] {
        let dy = on_card(&normal(rows, outputs, 2), &device, element);
        let whole = weight.transposed_product(&dy).unwrap();
        let parts = || (0..outputs).step_by(128).map(|first| first..outputs.min(first + 128));
        let sum =
            |before| products::summed(blocks, (outputs, inputs), dy.array().unwrap(), rows, before, parts()).unwrap();
        let matrix = |array| Matrix::of_array(rows, inputs, array);
        let mut found = matrix(sum(None));
        assert_eq!(found.array().unwrap().element(), element);
        close(&found, &whole, 1e-2);
        let mut twice = matrix(sum(Some(whole.array().unwrap())));
        found.add(&whole).unwrap();
        close(&twice, &found, 1e-2);
        twice.scale(0.5).unwrap();
        close(&twice, &whole, 1e-2);
    }
}

#[test]
fn dense_weights_of_any_width_have_their_products() {
    let device = emulator();
    let gpu = device.gpu().unwrap();
    for width in [1, 50, 128] {
        let w = normal(11, width, 4);
        let values = w.values().unwrap();
        check_products(&GpuWeight::dense(gpu, [11, width], Element::F32, &values).unwrap(), &w, 2e-2);
        let half = GpuWeight::dense(gpu, [11, width], Element::Bf16, &values).unwrap();
        check_products(&half, &w, 2e-2);
        assert_close(&half.gather(&[3, 0]).unwrap(), &w.gather(&[3, 0]).unwrap(), 1e-2);
        assert_eq!((half.type_name(), half.bytes(Purpose::Inference)), ("bf16", 22 * width as u64));
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    let device = emulator();
    let gpu = device.gpu().unwrap();
    let weight = GpuWeight::dense(gpu, [3, 8], Element::F32, &[0.0; 24]).unwrap();
    assert_eq!(
        weight.product(&Operand::owned(normal(1, 7, 1).to(&device).unwrap())).unwrap_err().code(),
        Code::Internal
    );
    assert_eq!(weight.gather(&[3]).unwrap_err().code(), Code::Internal);
    assert!(GpuWeight::dense(gpu, [3, 8], Element::F32, &[0.0; 23]).is_err());
}
