//! Every operator on the device of the tests against the CPU's kernels, on odd sizes and random numbers. Where that device
//! is the CPU, it uses the composed forms.

use super::adamw::{self, Hyper, Moments};
use super::attention::{self, Heads, Span};
use super::cross_entropy::loss_sum;
use super::linear::{Linear, Weight};
use super::lora::{self, Dropout, LoraWeights};
use super::matmul::{self, Form};
use super::rms_norm;
use super::rope::Rotation;
use super::swiglu::{self, Activation};
use super::test_device::{device, with_reference};
use super::testing::{flat, normal_on_cpu, relative_error};
use candle_core::{DType, Device, Shape, Tensor};

/// Where a case makes its operands.
struct Place(Device);

impl Place {
    fn normal(&self, shape: impl Into<Shape>, seed: u64) -> Tensor {
        normal_on_cpu(shape, seed).to_device(&self.0).unwrap()
    }
}

struct Case {
    name: &'static str,
    /// Largest difference over largest magnitude.
    tolerance: f64,
    run: fn(&Place) -> Vec<Tensor>,
}

const F32: f64 = 1e-5;
/// Operands are rounded to 8 bits of mantissa.
const BF16: f64 = 1e-2;

const CASES: &[Case] = &[
    Case { name: "rms_norm", tolerance: F32, run: rms_norm },
    Case { name: "rope", tolerance: F32, run: rope },
    Case { name: "attention, packed", tolerance: F32, run: |place| attention(place, None, &[7, 70, 1]) },
    Case { name: "attention, window", tolerance: F32, run: |place| attention(place, Some(5), &[71, 3]) },
    Case { name: "attention, keys before the queries", tolerance: F32, run: suffix },
    Case { name: "swiglu", tolerance: F32, run: |place| gated(place, Activation::Silu) },
    Case { name: "geglu", tolerance: F32, run: |place| gated(place, Activation::GeluTanh) },
    Case { name: "products and sums", tolerance: F32, run: products },
    Case { name: "linear", tolerance: F32, run: |place| linear(place, DType::F32) },
    Case { name: "linear, bf16 weight", tolerance: BF16, run: |place| linear(place, DType::BF16) },
    Case { name: "lora", tolerance: F32, run: |place| lora(place, None) },
    Case { name: "lora, dropout", tolerance: F32, run: |place| lora(place, Some(Dropout { p: 0.3, seed: 9 })) },
    Case { name: "cross_entropy", tolerance: F32, run: cross_entropy },
    Case { name: "adamw", tolerance: F32, run: adamw },
];

#[test]
fn every_operator_equals_the_cpu_kernel() {
    let mut failed = Vec::new();
    println!("{:36} {:>9} {:>9}", format!("operator on {:?}", device().location()), "error", "allowed");
    for Case { name, tolerance, run } in CASES {
        let expected = with_reference(false, || run(&Place(Device::Cpu)));
        let found = with_reference(true, || run(&Place(device())));
        assert_eq!(found.len(), expected.len());
        let errors = found.iter().zip(&expected).map(|(found, expected)| relative_error(found, expected));
        let worst = errors.fold(0.0, |worst: f64, error| if error.is_nan() { error } else { worst.max(error) });
        println!("{name:36} {worst:>9.1e} {tolerance:>9.0e}");
        if worst.is_nan() || worst > *tolerance {
            failed.push(format!("{name}: {worst:e}"));
        }
    }
    assert!(failed.is_empty(), "{failed:?}");
}

fn rms_norm(place: &Place) -> Vec<Tensor> {
    let (x, w, dy) = (place.normal((7, 37), 1), place.normal(37, 2), place.normal((7, 37), 3));
    vec![rms_norm::forward(&x, &w, 1e-5).unwrap(), rms_norm::backward(&x, &w, 1e-5, &dy).unwrap()]
}

fn rope(place: &Place) -> Vec<Tensor> {
    let rotation = Rotation::new(&[0, 1, 5, 0, 300], &[1.0, 0.3, 0.01], 1.2, &place.0).unwrap();
    vec![rotation.forward(place.normal((5, 18), 1)).unwrap(), rotation.backward(place.normal((5, 18), 2)).unwrap()]
}

fn attention(place: &Place, window: Option<usize>, lens: &[usize]) -> Vec<Tensor> {
    let heads = Heads { queries: 4, keys: 2, dim: 6, window };
    let mut spans: Vec<Span> = Vec::new();
    for &len in lens {
        let start = spans.last().map_or(0, |span| span.query + span.queries);
        spans.push(Span { query: start, queries: len, key: start, keys: len });
    }
    let tokens = lens.iter().sum::<usize>();
    let [q, dout] = [1, 2].map(|seed| place.normal((tokens, 24), seed));
    let [k, v] = [3, 4].map(|seed| place.normal((tokens, 12), seed));
    let (dq, dk, dv) = attention::backward(heads, &spans, &q, &k, &v, &dout).unwrap();
    vec![attention::forward(heads, &spans, &q, &k, &v).unwrap(), dq, dk, dv]
}

/// As while a text is generated: keys and values are the front of a cache with room for more.
fn suffix(place: &Place) -> Vec<Tensor> {
    let heads = Heads { queries: 4, keys: 2, dim: 6, window: None };
    let q = place.normal((3, 24), 1);
    let [k, v] = [2, 3].map(|seed| place.normal((30, 12), seed).narrow(0, 0, 20).unwrap());
    vec![attention::forward(heads, &[Span { query: 0, queries: 3, key: 0, keys: 20 }], &q, &k, &v).unwrap()]
}

fn gated(place: &Place, activation: Activation) -> Vec<Tensor> {
    let [g, u, dy] = [1, 2, 3].map(|seed| place.normal((6, 35), seed));
    let y = swiglu::forward(activation, &g, &u).unwrap();
    let swiglu::Backward { gated, dgate, dup } = swiglu::backward(activation, g, u, dy).unwrap();
    vec![y, gated, dgate, dup]
}

fn products(place: &Place) -> Vec<Tensor> {
    let (a, b, t) = (place.normal((5, 17), 1), place.normal((17, 11), 2), place.normal((11, 17), 3));
    let nt = matmul::product(Form::NT, &a, &t).unwrap();
    let tn = matmul::product(Form::TN, &a, &nt).unwrap();
    let sum = matmul::add_product(place.normal((5, 11), 4), Form::NN, &a, &b, -0.5).unwrap();
    let sum = matmul::add(sum, &nt).unwrap();
    vec![tn, matmul::add_to_rows(sum, &place.normal(11, 5)).unwrap(), nt]
}

fn linear(place: &Place, dtype: DType) -> Vec<Tensor> {
    // The CPU's side has the same rounded weight, in f32.
    let weight = place.normal((11, 17), 2).to_dtype(dtype).unwrap();
    let weight = if place.0.is_cpu() && dtype != DType::F32 { weight.to_dtype(DType::F32).unwrap() } else { weight };
    let weight = Weight::Dense(weight);
    let rows = weight.rows(&[3, 0, 3]).unwrap();
    let linear = Linear::new(weight, Some(place.normal(11, 3)));
    let y = linear.forward(&place.normal((5, 17), 1)).unwrap();
    vec![rows, y, linear.backward(&place.normal((5, 11), 4)).unwrap()]
}

fn lora(place: &Place, dropout: Option<Dropout>) -> Vec<Tensor> {
    let (x, dy) = (place.normal((5, 17), 1), place.normal((5, 11), 4));
    let linear = Linear::dense(place.normal((11, 17), 2), Some(place.normal(11, 3)));
    let delta =
        |seed, scaling| LoraWeights { a: place.normal((3, 17), seed), b: place.normal((11, 3), seed + 1), scaling };
    let deltas = [delta(10, 0.5), delta(20, -0.7)];
    let (y, lows) = lora::forward(&linear, &deltas, dropout, &x).unwrap();
    let dlows = lora::low_gradients(&deltas, &dy).unwrap();
    let mut results = vec![y, lora::input_gradient(&linear, &deltas, dropout, &dlows, &dy).unwrap()];
    for gradient in lora::weight_gradients(&deltas, dropout, &x, &lows, &dlows, &dy).unwrap() {
        results.extend([gradient.a, gradient.b]);
    }
    results
}

fn cross_entropy(place: &Place) -> Vec<Tensor> {
    let head = Linear::dense(place.normal((101, 8), 1), None);
    let loss = loss_sum(&head, &place.normal((5, 8), 2), &[3, 0, 100, 7, 7], Some(0.25)).unwrap();
    vec![Tensor::new(&[loss.loss as f32], &Device::Cpu).unwrap(), loss.dhidden.unwrap()]
}

fn adamw(place: &Place) -> Vec<Tensor> {
    let hyper = Hyper { beta1: 0.9, beta2: 0.999, eps: 1e-8, weight_decay: 0.1 };
    let mut parameter = place.normal((5, 7), 1);
    let mut moments = Moments::zeros(&parameter).unwrap();
    for step in 1..5 {
        let gradient = place.normal((5, 7), 10 + step);
        (parameter, moments) = adamw::step(hyper, 0.01, step, 0.5, &parameter, &gradient, &moments).unwrap();
    }
    assert_eq!(flat(&parameter).len(), 35);
    vec![parameter, moments.first, moments.second]
}
