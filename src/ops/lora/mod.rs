//! Low-rank deltas on top of a frozen linear layer: `y += Σ sᵢ · drop(x) Aᵢᵀ Bᵢᵀ` (Hu et al. 2021).

mod cuda;
mod dropout;
mod frozen;
mod in_host_memory;
mod layer;
mod layers;

pub(crate) use dropout::Dropout;
pub(crate) use frozen::Ready;
pub(crate) use in_host_memory::joined;
pub(crate) use layer::Layer;
pub(crate) use layers::{output, output_onto, outputs};

use crate::error::Result;
use crate::tensor::{Form, Matrix};
use crate::weights::{Linear, Operand};
use std::ops::Range;
use std::sync::Arc;

/// One low-rank delta: `y += scaling · (x Aᵀ) Bᵀ`. Cloning shares the matrices.
#[derive(Debug, Clone)]
pub(crate) struct LoraWeights {
    /// `[r, in_features]`
    pub(crate) a: Arc<Matrix>,
    /// `[out_features, r]`
    pub(crate) b: Arc<Matrix>,
    /// PEFT's `scaling` (alpha / r, or alpha / √r for rsLoRA) times the scale it was attached with.
    pub(crate) scaling: f64,
    frozen: Option<Arc<frozen::Frozen>>,
    /// Where what is made ready of the matrices is kept, if they do not change.
    ready: Option<Ready>,
    /// A and B in the type of activations, where that is another.
    cast: Option<Arc<[Matrix; 2]>>,
}

impl LoraWeights {
    /// `a [r, in_features]`, `b [out_features, r]`
    pub(crate) fn new(a: Arc<Matrix>, b: Arc<Matrix>, scaling: f64) -> Self {
        LoraWeights { a, b, scaling, frozen: None, ready: None, cast: None }
    }

    /// The same delta of matrices that never change, with what others who have them made ready.
    pub(crate) fn with_ready(self, ready: &Ready) -> Self {
        LoraWeights { ready: Some(ready.clone()), ..self }
    }

    /// A and B in the type of activations, where that is another.
    pub(crate) fn cast(&self) -> Result<Option<Arc<[Matrix; 2]>>> {
        Ok(match (self.a.to_activation()?, self.b.to_activation()?) {
            (Some(a), Some(b)) => Some(Arc::new([a, b])),
            _ => None,
        })
    }

    /// The same delta with what [`LoraWeights::cast`] gave: for a training step, in which its matrices meet activations
    /// several times.
    pub(crate) fn with_cast(&self, cast: Option<Arc<[Matrix; 2]>>) -> Self {
        LoraWeights { cast, ..self.clone() }
    }

    /// A as products with activations take it.
    fn a_operand(&self) -> &Matrix {
        self.cast.as_ref().map_or(&self.a, |cast| &cast[0])
    }

    /// B likewise.
    fn b_operand(&self) -> &Matrix {
        self.cast.as_ref().map_or(&self.b, |cast| &cast[1])
    }
}

/// The gradients of one delta.
#[derive(Debug)]
pub(crate) struct LoraGrad {
    /// `[r, in_features]`
    pub(crate) a: Matrix,
    /// `[out_features, r]`
    pub(crate) b: Matrix,
}

/// `drop(x) Aᵀ [tokens, r]` of each delta: small, so the forward pass saves them for the backward pass.
pub(crate) type Projected = Vec<Matrix>;

/// The output of a layer whose rows all have the same deltas, and the low-rank activations.
fn forward(
    linear: &Linear,
    deltas: &[LoraWeights],
    dropout: Option<Dropout>,
    operand: &Operand<'_>,
) -> Result<(Matrix, Projected)> {
    let x = operand.matrix();
    let rows = 0..x.rows();
    if let [first, rest @ ..] = deltas
        && x.on_gpu()
        && x.rows() > cuda::FEW
    {
        // The layer's product is made on top of the deltas', which are then written once and not read and written again.
        let projected = project(deltas, dropout, x, rows)?;
        let up = |low, delta: &LoraWeights| Matrix::scaled_product(Form::NT, low, delta.b_operand(), delta.scaling);
        let mut y = up(&projected[0], first)?;
        for (low, delta) in projected[1..].iter().zip(rest) {
            y.add_product(Form::NT, low, delta.b_operand(), delta.scaling)?;
        }
        linear.add_forward(operand, &mut y)?;
        return Ok((y, projected));
    }
    let mut y = linear.forward(operand)?;
    let projected = add_deltas(&mut y, rows, deltas, dropout, x)?;
    Ok((y, projected))
}

/// Adds the deltas to some rows of `y [tokens, out]`, given the layer's input `x [tokens, in]`.
fn add_deltas(
    y: &mut Matrix,
    rows: Range<usize>,
    deltas: &[LoraWeights],
    dropout: Option<Dropout>,
    x: &Matrix,
) -> Result<Projected> {
    let projected = project(deltas, dropout, x, rows.clone())?;
    for (low, delta) in projected.iter().zip(deltas) {
        match &delta.frozen {
            Some(frozen) => frozen.add(y, rows.clone(), low, delta.scaling)?,
            None => y.add_product_to_rows(rows.clone(), Form::NT, low, delta.b_operand(), delta.scaling)?,
        }
    }
    Ok(projected)
}

/// The low-rank activations alone.
pub(crate) fn project(
    deltas: &[LoraWeights],
    dropout: Option<Dropout>,
    x: &Matrix,
    rows: Range<usize>,
) -> Result<Projected> {
    if deltas.is_empty() {
        return Ok(Vec::new());
    }
    let dropped = dropout::apply(dropout, x)?;
    let x = dropped.as_ref().unwrap_or(x);
    let of_delta = |delta: &LoraWeights| match &delta.frozen {
        Some(frozen) => frozen.project(x, rows.clone()),
        None => Matrix::product_of_rows(Form::NT, x, rows.clone(), delta.a_operand()),
    };
    deltas.iter().map(of_delta).collect()
}

/// The gradients of the low-rank activations, `s · dy B [tokens, r]`.
pub(crate) fn project_gradients(deltas: &[LoraWeights], dy: &Matrix) -> Result<Projected> {
    deltas.iter().map(|delta| Matrix::scaled_product(Form::NN, dy, delta.b_operand(), delta.scaling)).collect()
}

/// The gradient of `x`, given those of the output and of the low-rank activations.
pub(crate) fn input_gradient(
    linear: &Linear,
    deltas: &[LoraWeights],
    dropout: Option<Dropout>,
    dprojected: &Projected,
    dy: &Matrix,
) -> Result<Matrix> {
    if let ([low, others @ ..], [first, rest @ ..]) = (&**dprojected, deltas)
        && dy.on_gpu()
        && dropout.is_none()
    {
        // The layer's product goes on top, as in the forward pass.
        let mut dx = Matrix::product(Form::NN, low, first.a_operand())?;
        for (low, delta) in others.iter().zip(rest) {
            dx.add_product(Form::NN, low, delta.a_operand(), 1.0)?;
        }
        linear.add_backward(dy, &mut dx)?;
        return Ok(dx);
    }
    let mut dx = linear.backward(dy)?;
    add_delta_gradients(deltas, dropout, dprojected, &mut dx)?;
    Ok(dx)
}

/// Adds it to `dx`: on a card, products are made on top of what is there.
pub(crate) fn add_input_gradient(
    linear: &Linear,
    deltas: &[LoraWeights],
    dropout: Option<Dropout>,
    dprojected: &Projected,
    dy: &Matrix,
    dx: &mut Matrix,
) -> Result<()> {
    if !dx.on_gpu() {
        return dx.add(&input_gradient(linear, deltas, dropout, dprojected, dy)?);
    }
    linear.add_backward(dy, dx)?;
    add_delta_gradients(deltas, dropout, dprojected, dx)
}

fn add_delta_gradients(
    deltas: &[LoraWeights],
    dropout: Option<Dropout>,
    dprojected: &Projected,
    dx: &mut Matrix,
) -> Result<()> {
    for (dlow, delta) in dprojected.iter().zip(deltas) {
        if dropout.is_none() {
            dx.add_product(Form::NN, dlow, delta.a_operand(), 1.0)?;
            continue;
        }
        let from_delta = Matrix::product(Form::NN, dlow, delta.a_operand())?;
        dx.add(dropout::apply(dropout, &from_delta)?.as_ref().unwrap_or(&from_delta))?;
    }
    Ok(())
}

/// The gradients of each delta's weights, from `x` and the low-rank activations as the forward pass had them.
pub(crate) fn weight_gradients(
    deltas: &[LoraWeights],
    dropout: Option<Dropout>,
    x: &Matrix,
    projected: &Projected,
    dprojected: &Projected,
    dy: &Matrix,
) -> Result<Vec<LoraGrad>> {
    if deltas.is_empty() {
        return Ok(Vec::new());
    }
    let dropped = dropout::apply(dropout, x)?;
    let x = dropped.as_ref().unwrap_or(x);
    let gradient = |((delta, low), dlow): ((&LoraWeights, &Matrix), &Matrix)| {
        let b = Matrix::scaled_product(Form::TN, dy, low, delta.scaling)?;
        Ok(LoraGrad { a: Matrix::product(Form::TN, dlow, x)?, b })
    };
    deltas.iter().zip(projected).zip(dprojected).map(gradient).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tensor::Device;
    use crate::tensor::testing::{assert_close, check_gradient, normal};

    fn delta(seed: u64, scaling: f64, device: &Device) -> LoraWeights {
        let matrix = |rows, cols, seed| Arc::new(normal(rows, cols, seed).to(device).unwrap());
        LoraWeights::new(matrix(3, 17, seed), matrix(11, 3, seed + 1), scaling)
    }

    fn forward(linear: &Linear, deltas: &[LoraWeights], dropout: Option<Dropout>, x: &Matrix) -> Matrix {
        let mut y = linear.forward(&Operand::of(x)).unwrap();
        add_deltas(&mut y, 0..x.rows(), deltas, dropout, x).unwrap();
        y
    }

    #[test]
    fn stacked_deltas_equal_the_merged_weight() {
        for device in [Device::host(), Device::reference()] {
            let (x, w) = (normal(5, 17, 1).to(&device).unwrap(), normal(11, 17, 2).to(&device).unwrap());
            let deltas = [delta(10, 0.5, &device), delta(20, -2.0, &device)];
            let mut merged = w.duplicate().unwrap();
            for d in &deltas {
                merged.add_product(Form::NN, &d.b, &d.a, d.scaling).unwrap();
            }
            let y = forward(&Linear::dense(w, None), &deltas, None, &x);
            assert_close(&y, &Linear::dense(merged, None).forward(&Operand::of(&x)).unwrap(), 1e-5);
        }
    }

    #[test]
    fn rows_with_different_stacks_are_what_they_are_alone() {
        let host = Device::host();
        let (x, linear) = (normal(7, 17, 1), Linear::dense(normal(11, 17, 2), None));
        let (one, two) = ([delta(10, 0.5, &host)], [delta(20, -2.0, &host), delta(30, 1.0, &host)]);
        let mut y = linear.forward(&Operand::of(&x)).unwrap();
        add_deltas(&mut y, 0..3, &one, None, &x).unwrap();
        add_deltas(&mut y, 3..7, &two, None, &x).unwrap();
        assert_close(&y.part(0..3).unwrap(), &forward(&linear, &one, None, &x.part(0..3).unwrap()), 1e-6);
        assert_close(&y.part(3..7).unwrap(), &forward(&linear, &two, None, &x.part(3..7).unwrap()), 1e-6);
    }

    #[test]
    fn packed_deltas_give_the_same_and_rows_do_not_depend_on_each_other() {
        for device in [Device::host(), Device::reference()] {
            let x = normal(7, 17, 1).to(&device).unwrap();
            let linear = Linear::dense(normal(11, 17, 2).to(&device).unwrap(), None);
            let deltas = [delta(10, 0.5, &device), delta(20, -2.0, &device)];
            for (in_f16, tolerance) in [(false, 1e-6), (true, 1e-3)] {
                let packed = deltas.each_ref().map(|delta| delta.frozen(in_f16).unwrap());
                let together = forward(&linear, &packed, None, &x);
                assert_close(&together, &forward(&linear, &deltas, None, &x), tolerance);
                let mut apart = linear.forward(&Operand::of(&x)).unwrap();
                for row in 0..7 {
                    add_deltas(&mut apart, row..row + 1, &packed, None, &x).unwrap();
                }
                if device.is_host() {
                    assert_eq!(apart.values().unwrap(), together.values().unwrap());
                    let layer = Layer { linear: &linear, runs: vec![(0..7, &packed)], dropout: None };
                    let (in_one_loop, _) = output(layer, &Operand::of(&x)).unwrap();
                    assert_eq!(in_one_loop.values().unwrap(), together.values().unwrap());
                }
            }
        }
    }

    #[test]
    fn what_is_made_ready_is_made_once_for_all_who_share_it() {
        let (one, ready) = (delta(10, 0.5, &Device::host()), Ready::default());
        let other = LoraWeights { scaling: 3.0, ..one.clone() };
        let frozen = |delta: &LoraWeights, in_f16| delta.frozen(in_f16).unwrap().frozen.unwrap();
        for in_f16 in [false, true] {
            let shared = [&one, &other].map(|delta| frozen(&delta.clone().with_ready(&ready), in_f16));
            assert!(Arc::ptr_eq(&shared[0], &shared[1]));
            assert!(!Arc::ptr_eq(&shared[0], &frozen(&one, in_f16)));
        }
    }

    #[test]
    fn gradients_equal_finite_differences_with_and_without_dropout() {
        for device in [Device::host(), Device::reference()] {
            let [x, dy, w, b] = [normal(5, 17, 1), normal(5, 11, 4), normal(11, 17, 2), normal(1, 11, 3)]
                .map(|matrix| matrix.to(&device).unwrap());
            let linear = Linear::dense(w, Some(b));
            for dropout in [None, Some(Dropout { p: 0.3, seed: 9 })] {
                let deltas = [delta(10, 0.5, &device), delta(20, -0.7, &device)];
                let projected = project(&deltas, dropout, &x, 0..5).unwrap();
                let dprojected = project_gradients(&deltas, &dy).unwrap();
                let dx = input_gradient(&linear, &deltas, dropout, &dprojected, &dy).unwrap();
                let grads = weight_gradients(&deltas, dropout, &x, &projected, &dprojected, &dy).unwrap();
                check_gradient(&x, &dx, &dy, |x| forward(&linear, &deltas, dropout, x));
                for i in 0..2 {
                    let with = |change: &dyn Fn(&mut LoraWeights)| {
                        let mut deltas = deltas.clone();
                        change(&mut deltas[i]);
                        forward(&linear, &deltas, dropout, &x)
                    };
                    let shared = |m: &Matrix| Arc::new(m.duplicate().unwrap());
                    check_gradient(&deltas[i].a, &grads[i].a, &dy, |a| with(&|d| d.a = shared(a)));
                    check_gradient(&deltas[i].b, &grads[i].b, &dy, |b| with(&|d| d.b = shared(b)));
                }
            }
        }
    }
}
