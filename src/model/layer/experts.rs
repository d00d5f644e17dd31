//! The MLP of many experts, of which each token goes through a few: `Σ weight · down(act(gate(x)) · up(x))`.
//!
//! Their weights are one tensor for all experts in transformers, so no delta attaches to them, as in PEFT.

use super::super::kv_pool::KvPool;
use super::super::sites::LoraGradients;
use super::{Adaptable, Around, Block, Pass};
use crate::error::Result;
use crate::ops::experts::{Routing, add_weighted, row_products, scale_rows};
use crate::ops::swiglu::{self, Activation};
use crate::tensor::Matrix;
use crate::weights::{Linear, Operand};

/// The weights of the block and its constants.
pub(in crate::model) struct Experts {
    pub(in crate::model) around: Around,
    pub(in crate::model) activation: Activation,
    pub(in crate::model) router: Linear,
    pub(in crate::model) experts: Vec<Expert>,
    pub(in crate::model) per_token: usize,
    /// Whether a token's weights sum to one.
    pub(in crate::model) normalise: bool,
}

/// The projections of one expert.
pub(in crate::model) struct Expert {
    pub(in crate::model) gate: Linear,
    pub(in crate::model) up: Linear,
    pub(in crate::model) down: Linear,
}

/// `[outputs, …]`, and by expert the operands of the gated product of its rows.
pub(in crate::model) struct Saved {
    residual: Matrix,
    routing: Routing,
    operands: Vec<Option<(Matrix, Matrix)>>,
    unnormed_output: Option<Matrix>,
}

impl Experts {
    /// Every matrix, the router's first.
    pub(in crate::model) fn linears(&self) -> impl Iterator<Item = &Linear> {
        let experts = self.experts.iter().flat_map(|expert| [&expert.gate, &expert.up, &expert.down]);
        std::iter::once(&self.router).chain(experts)
    }

    /// Columns of the gated products of a token's experts.
    pub(in crate::model) fn width(&self) -> u64 {
        self.experts.first().map_or(0, |expert| expert.down.shape().1 * self.per_token) as u64
    }
}

impl Block for Experts {
    type Saved = Saved;

    fn save(&self, _: &Pass<'_>, residual: Matrix, _: Option<&mut KvPool>) -> Result<Saved> {
        let x = self.around.operand(&residual, self.router.takes_eight_bits(residual.rows()))?;
        let routing = Routing::of(self.router.forward(&x)?, self.per_token, self.normalise)?;
        let operands = self.experts.iter().zip(routing.experts()).map(|(expert, chosen)| {
            if chosen.rows.is_empty() {
                return Ok(None);
            }
            let x = Operand::owned(x.matrix().gather(&chosen.rows)?);
            Ok(Some((expert.gate.forward(&x)?, expert.up.forward(&x)?)))
        });
        let operands = operands.collect::<Result<_>>()?;
        drop(x);
        Ok(Saved { residual, routing, operands, unnormed_output: None })
    }

    fn output(&self, _: &Pass<'_>, saved: &mut Saved) -> Result<Matrix> {
        let mut output = Matrix::zeros_like(&saved.residual)?;
        for ((expert, chosen), operands) in self.experts.iter().zip(saved.routing.experts()).zip(&saved.operands) {
            let Some((gate, up)) = operands else { continue };
            let eight_bits = expert.down.takes_eight_bits(gate.rows());
            let of_expert = expert.down.forward(&swiglu::operand(self.activation, gate, up, eight_bits)?)?;
            add_weighted(&mut output, &chosen.rows, &chosen.weights, &of_expert)?;
        }
        let (residual, unnormed) = self.around.add(output, &saved.residual)?;
        saved.unnormed_output = unnormed;
        Ok(residual)
    }

    fn backward(&self, _: &Pass<'_>, saved: Saved, dy: Matrix, _: &mut LoraGradients) -> Result<Option<Matrix>> {
        let Saved { residual, routing, operands, unnormed_output } = saved;
        let doutput = self.around.output_gradient(unnormed_output, &dy)?;
        let doutput = doutput.as_ref().unwrap_or(&dy);
        let mut dnormed = Matrix::zeros_like(&residual)?;
        let mut dweights = Vec::with_capacity(self.experts.len());
        for ((expert, chosen), operands) in self.experts.iter().zip(routing.experts()).zip(operands) {
            let Some((gate, up)) = operands else {
                dweights.push(Vec::new());
                continue;
            };
            // Of the output as if its weight were one: its product with the gated operand is the gradient of the weight.
            let mut dgated = expert.down.backward(&doutput.gather(&chosen.rows)?)?;
            dweights.push(row_products(&swiglu::forward(self.activation, &gate, &up)?, &dgated)?);
            scale_rows(&mut dgated, &chosen.weights)?;
            let swiglu::Backward { dgate, dup, .. } = swiglu::backward(self.activation, gate, up, dgated)?;
            let mut dx = expert.gate.backward(&dgate)?;
            dx.add(&expert.up.backward(&dup)?)?;
            add_weighted(&mut dnormed, &chosen.rows, &vec![1.0; chosen.rows.len()], &dx)?;
        }
        let dlogits = routing.backward(&dweights, &dy.device())?;
        dnormed.add(&self.router.backward(&dlogits)?)?;
        self.around.input_gradient(&residual, &dnormed, dy).map(Some)
    }

    fn saved_bytes(&self, size: u64, _: u64, outputs: u64) -> u64 {
        let (experts, hidden) = self.router.shape();
        let of_token = 4 * (hidden as u64 + experts as u64) + size * 2 * self.width();
        outputs * of_token + self.around.saved_bytes(size, outputs)
    }

    fn projections(&self) -> impl Iterator<Item = &Adaptable> {
        std::iter::empty()
    }
}
