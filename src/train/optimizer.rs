//! The trained tensors with their moments, and one optimizer step over all of them.

use crate::adapter::Adapter;
use crate::error::{Code, Error, Result};
use crate::model::{LoraGradients, LoraStack, LoraWeights, Site};
use crate::ops::adamw::adapter::{self, Tensor};
use crate::ops::adamw::{self, Hyper, Moments};
use crate::tensor::Matrix;
use crate::train::options::TrainOptions;
use crate::train::record::Checkpoint;
use std::sync::Arc;

/// Names of a parameter's tensors in a checkpoint, the moments' as in `torch.optim.AdamW`.
const WEIGHT: &str = "weight";
const FIRST: &str = "exp_avg";
const SECOND: &str = "exp_avg_sq";

/// AdamW over an adapter. What a kept [`LoraStack`] shares is replaced, never changed, so it stays as it was.
pub(crate) struct Optimizer {
    hyper: Hyper,
    /// Learning rate of B over that of A (LoRA+).
    ratio: f64,
    max_grad_norm: f64,
    steps: u64,
    parameters: Vec<Parameter>,
}

struct Parameter {
    site: Site,
    weights: LoraWeights,
    /// The weights as products take them, from the first step on; steps change them as well.
    cast: Option<Arc<[Matrix; 2]>>,
    a: Moments,
    b: Moments,
}

impl Optimizer {
    pub(crate) fn new(options: &TrainOptions, adapter: &Adapter) -> Result<Self> {
        let parameters = adapter
            .weights()
            .iter()
            .map(|(site, weights)| {
                let (a, b) = (Moments::zeros(&weights.a)?, Moments::zeros(&weights.b)?);
                Ok(Parameter { site: *site, weights: weights.clone(), cast: None, a, b })
            })
            .collect::<Result<_>>()?;
        Ok(Optimizer {
            hyper: Hyper {
                beta1: options.adam_beta1,
                beta2: options.adam_beta2,
                eps: options.adam_epsilon,
                weight_decay: options.weight_decay,
            },
            ratio: options.loraplus_lr_ratio.unwrap_or(1.0),
            max_grad_norm: options.max_grad_norm,
            steps: 0,
            parameters,
        })
    }

    /// The weights as they are now.
    pub(crate) fn weights(&self) -> Vec<(Site, LoraWeights)> {
        self.parameters.iter().map(|p| (p.site, p.weights.clone())).collect()
    }

    /// The weights as they are now, ready for a forward pass.
    pub(crate) fn stack(&self) -> LoraStack {
        let mut stack = LoraStack::none();
        for parameter in &self.parameters {
            stack.push(parameter.site, parameter.weights.clone());
        }
        stack
    }

    /// The same for a training step.
    pub(crate) fn stack_for_step(&mut self) -> Result<LoraStack> {
        let mut stack = LoraStack::none();
        for Parameter { site, weights, cast, .. } in &mut self.parameters {
            if cast.is_none() {
                *cast = weights.cast()?;
            }
            stack.push(*site, weights.with_cast(cast.clone()));
        }
        Ok(stack)
    }

    /// Steps done.
    pub(crate) fn steps(&self) -> u64 {
        self.steps
    }

    /// Weights and moments by name, for a checkpoint.
    pub(crate) fn tensors(&self) -> impl Iterator<Item = (String, &Matrix)> {
        self.parameters.iter().flat_map(|p| {
            let name = |which: &str, what: &str| format!("{}.lora_{which}.{what}", p.site.path());
            [
                (name("A", WEIGHT), &*p.weights.a),
                (name("B", WEIGHT), &*p.weights.b),
                (name("A", FIRST), &p.a.first),
                (name("B", FIRST), &p.b.first),
                (name("A", SECOND), &p.a.second),
                (name("B", SECOND), &p.b.second),
            ]
        })
    }

    /// Goes on from a checkpoint.
    pub(crate) fn restore(&mut self, steps: u64, checkpoint: &mut Checkpoint) -> Result<()> {
        self.steps = steps;
        for p in &mut self.parameters {
            let module = p.site.path();
            let mut take = |which: &str, what: &str, like: &Matrix| {
                checkpoint.take(&format!("{module}.lora_{which}.{what}"), like)
            };
            p.weights.a = Arc::new(take("A", WEIGHT, &p.weights.a)?);
            p.weights.b = Arc::new(take("B", WEIGHT, &p.weights.b)?);
            p.cast = None;
            p.a = Moments { first: take("A", FIRST, &p.a.first)?, second: take("A", SECOND, &p.a.second)? };
            p.b = Moments { first: take("B", FIRST, &p.b.first)?, second: take("B", SECOND, &p.b.second)? };
        }
        Ok(())
    }

    /// One clipped step; `norm` is that of the gradients. As `clip_grad_norm_` and `torch.optim.AdamW` do it.
    pub(crate) fn step(&mut self, gradients: &LoraGradients, norm: f64, learning_rate: f64) -> Result<()> {
        self.steps += 1;
        let clip = if self.max_grad_norm > 0.0 { (self.max_grad_norm / (norm + 1e-6)).min(1.0) } else { 1.0 };
        if self.parameters.first().is_some_and(|parameter| parameter.weights.a.on_gpu()) {
            return self.step_on_card(gradients, clip, learning_rate);
        }
        for parameter in &mut self.parameters {
            let [gradient] = gradients.at(parameter.site) else {
                return Err(Error::new(Code::Internal, format!("no gradient at {}", parameter.site.path())));
            };
            let Parameter { weights, a, b, .. } = parameter;
            let (hyper, steps) = (self.hyper, self.steps);
            let rate_b = learning_rate * self.ratio;
            let of_a = adamw::step(hyper, learning_rate, steps, clip, &weights.a, &gradient.a, a)?;
            let of_b = adamw::step(hyper, rate_b, steps, clip, &weights.b, &gradient.b, b)?;
            (weights.a, *a) = (Arc::new(of_a.0), of_a.1);
            (weights.b, *b) = (Arc::new(of_b.0), of_b.1);
        }
        Ok(())
    }

    /// The same of all tensors at once, in place.
    fn step_on_card(&mut self, gradients: &LoraGradients, clip: f64, learning_rate: f64) -> Result<()> {
        let mut tensors = Vec::new();
        for Parameter { site, weights, cast, a, b } in &mut self.parameters {
            let [gradient] = gradients.at(*site) else {
                return Err(Error::new(Code::Internal, format!("no gradient at {}", site.path())));
            };
            let LoraWeights { a: weight_a, b: weight_b, .. } = weights;
            // What somebody else has stays as it is, and is made anew for the next step.
            *cast = cast.take().filter(|cast| Arc::strong_count(cast) == 1);
            let [cast_a, cast_b] = match cast.as_mut().and_then(Arc::get_mut) {
                Some([a, b]) => [Some(a), Some(b)],
                None => [None, None],
            };
            for (parameter, cast, moments, gradient, ratio) in
                [(weight_a, cast_a, a, &gradient.a, 1.0), (weight_b, cast_b, b, &gradient.b, self.ratio)]
            {
                let Moments { first, second } = moments;
                tensors.push(Tensor { parameter: own(parameter)?, cast, first, second, gradient, ratio });
            }
        }
        adapter::step(self.hyper, learning_rate, self.steps, clip, &mut tensors)
    }
}

/// The matrix, of which others that have it keep a copy.
fn own(shared: &mut Arc<Matrix>) -> Result<&mut Matrix> {
    if Arc::get_mut(shared).is_none() {
        *shared = Arc::new(shared.duplicate()?);
    }
    Arc::get_mut(shared).ok_or_else(|| Error::new(Code::Internal, "a new matrix has a second owner"))
}
