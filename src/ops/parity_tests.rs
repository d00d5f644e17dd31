//! Every operator against PyTorch: forward and gradients (`tests/fixtures/README.md`, `ops/`).

use super::adamw::{self, Hyper, Moments};
use super::attention::{self, Gradients, Heads, Span};
use super::cross_entropy::{Head, loss_sum};
use super::lora::{self, LoraWeights};
use super::rms_norm;
use super::rope::{Pairs, Rotation};
use super::swiglu::{self, Activation};
use crate::tensor::testing::{assert_close, devices, flat};
use crate::tensor::{Device, Matrix};
use crate::weights::{Linear, Operand};
use candle_core::Tensor;
use serde_json::Value;
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

struct Case {
    tensors: HashMap<String, Tensor>,
    settings: Value,
    device: Device,
}

/// The case on every device.
fn cases(name: &str) -> Vec<Case> {
    devices().into_iter().map(|device| Case::load(name, device)).collect()
}

impl Case {
    fn load(name: &str, device: Device) -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/fixtures/ops/{name}.safetensors"));
        let bytes = std::fs::read(&path).unwrap();
        let (_, metadata) = safetensors::SafeTensors::read_metadata(&bytes).unwrap();
        let settings = metadata.metadata().as_ref().and_then(|m| m.get("settings")).map_or("null", String::as_str);
        let settings = serde_json::from_str(settings).unwrap();
        let tensors = candle_core::safetensors::load_buffer(&bytes, &candle_core::Device::Cpu).unwrap();
        Case { tensors, settings, device }
    }

    fn tensor(&self, name: &str) -> Tensor {
        self.tensors.get(name).unwrap_or_else(|| panic!("no tensor {name}")).clone()
    }

    fn matrix_of(&self, tensor: &Tensor) -> Matrix {
        let width = *tensor.dims().last().unwrap();
        let values: Vec<f32> = tensor.flatten_all().unwrap().to_vec1().unwrap();
        Matrix::new(values.len() / width, width, values, &self.device).unwrap()
    }

    /// A tensor as a matrix of its last dimension.
    fn get(&self, name: &str) -> Matrix {
        self.matrix_of(&self.tensor(name))
    }

    /// `[1, heads, tokens, dim]` → `[tokens, heads · dim]`
    fn by_token(&self, name: &str) -> Matrix {
        let x = self.tensor(name).squeeze(0).unwrap().transpose(0, 1).unwrap().contiguous().unwrap();
        self.matrix_of(&x.flatten_from(1).unwrap())
    }

    fn ids(&self, name: &str) -> Vec<i64> {
        self.tensor(name).to_vec1().unwrap()
    }

    fn number(&self, name: &str) -> f64 {
        self.settings[name].as_f64().unwrap_or_else(|| panic!("no setting {name}"))
    }
}

const TOLERANCE: f64 = 5e-6;

#[test]
fn rms_norm_equals_pytorch() {
    for case in ["rms_norm", "rms_norm_small"].into_iter().flat_map(cases) {
        let (x, weight, eps) = (case.get("x"), case.get("weight"), case.number("eps"));
        assert_close(&rms_norm::forward(&x, &weight, eps).unwrap(), &case.get("y"), TOLERANCE);
        assert_close(&rms_norm::backward(&x, &weight, eps, &case.get("dy")).unwrap(), &case.get("dx"), TOLERANCE);
    }
}

#[test]
fn rope_equals_pytorch() {
    for case in ["rope", "rope_offset", "rope_llama3", "rope_linear", "rope_yarn"].into_iter().flat_map(cases) {
        let positions: Vec<usize> = case.ids("positions").iter().map(|p| *p as usize).collect();
        let inv_freq = flat(&case.get("inv_freq"));
        let yarn = case.settings["rope_type"] == "yarn";
        let factor = if yarn { 0.1 * case.number("factor").ln() + 1.0 } else { 1.0 };
        let rotation = Rotation::new(&positions, &inv_freq, factor as f32, &case.device).unwrap();
        assert_close(&rotation.forward(case.by_token("x")).unwrap(), &case.by_token("y"), TOLERANCE);
        assert_close(&rotation.backward(case.by_token("dy")).unwrap(), &case.by_token("dx"), TOLERANCE);
    }
}

#[test]
fn rope_of_a_part_of_each_head_equals_pytorch() {
    for (name, pairs) in [("rope_part", Pairs::Halves), ("rope_neighbours", Pairs::Neighbours)] {
        for case in cases(name) {
            let inv_freq = flat(&case.get("inv_freq"));
            assert_eq!(2 * inv_freq.len(), case.number("rotated") as usize);
            let rows: Vec<_> = case.ids("positions").iter().map(|p| (*p as usize, &*inv_freq)).collect();
            let dim = case.tensor("x").dim(3).unwrap();
            let rotation = Rotation::of_rows(&rows, 1.0, dim, pairs, &case.device).unwrap();
            assert_close(&rotation.forward(case.by_token("x")).unwrap(), &case.by_token("y"), TOLERANCE);
            assert_close(&rotation.backward(case.by_token("dy")).unwrap(), &case.by_token("dx"), TOLERANCE);
        }
    }
}

#[test]
fn attention_equals_pytorch() {
    for case in [
        "attention",
        "attention_past",
        "attention_packed",
        "attention_window",
        "attention_packed_window",
        "attention_softcap",
    ]
    .into_iter()
    .flat_map(cases)
    {
        let (q, k, v) = (case.by_token("q"), case.by_token("k"), case.by_token("v"));
        let window = Some(case.number("window") as usize).filter(|w| *w > 0);
        let dim = case.tensor("q").dim(3).unwrap();
        let heads = Heads::new(case.tensor("q").dim(1).unwrap(), case.tensor("k").dim(1).unwrap(), dim);
        let softcap = case.settings["softcap"].as_f64().map(|c| c as f32);
        let heads = Heads { window, scale: case.number("scale") as f32, softcap, ..heads };
        let spans = spans(&case, q.rows(), k.rows());
        assert_close(&attention::forward(heads, &spans, &q, &k, &v).unwrap(), &case.by_token("o"), TOLERANCE);
        let Gradients { dq, dk, dv } = attention::backward(heads, &spans, &q, &k, &v, &case.by_token("do")).unwrap();
        assert_close(&dq, &case.by_token("dq"), TOLERANCE);
        assert_close(&dk, &case.by_token("dk"), TOLERANCE);
        assert_close(&dv, &case.by_token("dv"), TOLERANCE);
    }
}

fn spans(case: &Case, queries: usize, keys: usize) -> Vec<Span> {
    if !case.tensors.contains_key("documents") {
        return vec![Span { queries: 0..queries, keys: vec![0..keys] }];
    }
    let documents = case.ids("documents");
    let mut spans: Vec<Span> = Vec::new();
    for (row, document) in documents.iter().enumerate() {
        match spans.last_mut() {
            Some(last) if documents[row - 1] == *document => {
                last.queries.end += 1;
                last.keys[0].end += 1;
            }
            _ => spans.push(Span { queries: row..row + 1, keys: vec![row..row + 1] }),
        }
    }
    spans
}

#[test]
fn gated_activations_equal_pytorch() {
    for (name, activation) in [("swiglu", Activation::Silu), ("geglu_tanh", Activation::GeluTanh)] {
        for case in cases(name) {
            let (g, u) = (case.get("g"), case.get("u"));
            assert_close(&swiglu::forward(activation, &g, &u).unwrap(), &case.get("y"), TOLERANCE);
            let swiglu::Backward { gated, dgate: dg, dup: du } =
                swiglu::backward(activation, g, u, case.get("dy")).unwrap();
            assert_close(&gated, &case.get("y"), TOLERANCE);
            assert_close(&dg, &case.get("dg"), TOLERANCE);
            assert_close(&du, &case.get("du"), TOLERANCE);
        }
    }
}

#[test]
fn lora_linear_equals_pytorch() {
    for case in ["lora_linear", "lora_linear_bias"].into_iter().flat_map(cases) {
        let linear = Linear::dense(case.get("weight"), case.tensors.contains_key("bias").then(|| case.get("bias")));
        let weights = [LoraWeights::new(Arc::new(case.get("a")), Arc::new(case.get("b")), case.number("scale"))];
        let x = case.get("x");
        let layer = lora::Layer { linear: &linear, runs: vec![(0..x.rows(), &weights[..])], dropout: None };
        let (y, projected) = lora::output(layer, &Operand::of(&x)).unwrap();
        assert_close(&y, &case.get("y"), TOLERANCE);
        let dprojected = lora::project_gradients(&weights, &case.get("dy")).unwrap();
        let dx = lora::input_gradient(&linear, &weights, None, &dprojected, &case.get("dy")).unwrap();
        let grads = lora::weight_gradients(&weights, None, &x, &projected, &dprojected, &case.get("dy")).unwrap();
        assert_close(&dx, &case.get("dx"), TOLERANCE);
        assert_close(&grads[0].a, &case.get("da"), TOLERANCE);
        assert_close(&grads[0].b, &case.get("db"), TOLERANCE);
    }
}

#[test]
fn cross_entropy_equals_pytorch() {
    for case in ["cross_entropy", "cross_entropy_one", "cross_entropy_softcap"].into_iter().flat_map(cases) {
        let labels = case.ids("labels");
        let (rows, targets): (Vec<u32>, Vec<u32>) =
            labels.iter().enumerate().filter(|(_, l)| **l >= 0).map(|(row, l)| (row as u32, *l as u32)).unzip();
        assert_eq!(rows.len(), case.number("trained") as usize);
        let hidden = case.get("hidden").gather(&rows).unwrap();
        let softcap = case.settings["softcap"].as_f64().map(|c| c as f32);
        let scale = case.settings["scale"].as_f64().unwrap_or(1.0);
        let head = Head { linear: Linear::dense(case.get("weight"), None), scale, softcap };
        let sum = loss_sum(&head, &hidden, &targets, Some(1.0 / targets.len() as f64)).unwrap();
        let expected = f64::from(case.tensor("loss").to_scalar::<f32>().unwrap());
        let loss = sum.losses.total().unwrap();
        assert!((loss / targets.len() as f64 - expected).abs() < TOLERANCE * expected);
        let expected = case.get("dhidden").gather(&rows).unwrap();
        assert_close(&sum.dhidden.unwrap(), &expected, TOLERANCE);
    }
}

#[test]
fn adamw_equals_pytorch() {
    for case in ["adamw", "adamw_no_decay"].into_iter().flat_map(cases) {
        let hyper = Hyper {
            beta1: case.number("beta1"),
            beta2: case.number("beta2"),
            eps: case.number("eps"),
            weight_decay: case.number("weight_decay"),
        };
        let mut p = case.get("p0");
        let mut moments = Moments::zeros(&p).unwrap();
        for step in 0..5 {
            let gradient = case.matrix_of(&case.tensor("grads").get(step).unwrap());
            (p, moments) =
                adamw::step(hyper, case.number("lr"), step as u64 + 1, 1.0, &p, &gradient, &moments).unwrap();
            assert_close(&p, &case.matrix_of(&case.tensor("p").get(step).unwrap()), TOLERANCE);
        }
        assert_close(&moments.first, &case.get("m"), TOLERANCE);
        assert_close(&moments.second, &case.get("v"), TOLERANCE);
        assert_eq!(flat(&p).len(), 30);
    }
}
