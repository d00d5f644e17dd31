//! The gated MLP: `down(act(gate(x)) · up(x))`.

use super::super::kv_pool::KvPool;
use super::super::sites::LoraGradients;
use super::{Adaptable, Around, Block, Pass, Projections};
use crate::error::{Code, Error, Result};
use crate::ops::lora::Projected;
use crate::ops::swiglu::{self, Activation};
use crate::tensor::{Bf16Matrix, Matrix};
use crate::weights::Operand;

/// The weights of the block and its constants.
pub(in crate::model) struct Mlp {
    pub(in crate::model) around: Around,
    pub(in crate::model) activation: Activation,
    pub(in crate::model) gate_up: Projections,
    pub(in crate::model) down: Adaptable,
}

/// `[outputs, …]`. The norm of the input and the gated product are made again.
pub(in crate::model) struct Saved {
    residual: Matrix,
    projected: Vec<Projected>,
    gate: Waiting,
    up: Waiting,
    rounds: bool,
    unnormed_output: Option<Matrix>,
}

/// An operand of the gated product: most of what a layer saves.
enum Waiting {
    F32(Matrix),
    Bf16(Bf16Matrix),
}

impl Waiting {
    fn exact(&self) -> Result<&Matrix> {
        match self {
            Waiting::F32(matrix) => Ok(matrix),
            Waiting::Bf16(_) => Err(Error::new(Code::Internal, "an output is made before its operands are rounded")),
        }
    }

    fn rounded(self) -> Result<Self> {
        match &self {
            Waiting::F32(matrix) => Ok(Waiting::Bf16(Bf16Matrix::of(matrix)?)),
            Waiting::Bf16(_) => Ok(self),
        }
    }

    fn into_f32(self) -> Result<Matrix> {
        match self {
            Waiting::F32(matrix) => Ok(matrix),
            Waiting::Bf16(matrix) => matrix.to_f32(),
        }
    }
}

impl Saved {
    /// As it waits for the backward pass, once the output is made.
    ///
    /// Between products that round their operands as much, or more, they wait in bf16.
    pub(super) fn waiting(self) -> Result<Self> {
        if !self.rounds {
            return Ok(self);
        }
        Ok(Saved { gate: self.gate.rounded()?, up: self.up.rounded()?, ..self })
    }
}

impl Mlp {
    /// Whether the operands of the gated product are rounded.
    fn rounds(&self) -> bool {
        self.projections().all(|projection| projection.linear.rounds_operands())
    }

    /// Bytes by which the operands of the gated product grow when they are exact again.
    pub(in crate::model) fn rounded_bytes(&self, outputs: u64) -> u64 {
        if self.rounds() { 4 * outputs * self.width() } else { 0 }
    }

    /// Columns of the gated product.
    pub(in crate::model) fn width(&self) -> u64 {
        self.down.linear.shape().1 as u64
    }
}

impl Block for Mlp {
    type Saved = Saved;

    fn save(&self, pass: &Pass<'_>, residual: Matrix, _: Option<&mut KvPool>) -> Result<Saved> {
        let x = self.around.operand(&residual, self.gate_up.takes_eight_bits(residual.rows()))?;
        let (gate_up, projected) = self.gate_up.forward(&x, |layer| layer.of_outputs(pass))?;
        drop(x);
        let [gate, up] = two(gate_up)?.map(Waiting::F32);
        Ok(Saved { residual, projected, gate, up, rounds: self.rounds(), unnormed_output: None })
    }

    fn output(&self, pass: &Pass<'_>, saved: &mut Saved) -> Result<Matrix> {
        let eight_bits = self.down.linear.takes_eight_bits(saved.residual.rows());
        let gated = swiglu::operand(self.activation, saved.gate.exact()?, saved.up.exact()?, eight_bits)?;
        let (residual, _, unnormed) = self.around.add_output(self.down.of_outputs(pass), &gated, &saved.residual)?;
        saved.unnormed_output = unnormed;
        Ok(residual)
    }

    /// Without gate and up in memory, where one loop makes both.
    fn forward(&self, pass: &Pass<'_>, residual: Matrix, _: Option<&mut KvPool>) -> Result<Matrix> {
        let x = self.around.operand(&residual, self.gate_up.takes_eight_bits(residual.rows()))?;
        let join = |gate: &mut [[f32; _]], up: &[[f32; _]]| {
            swiglu::gate(self.activation, gate.as_flattened_mut(), up.as_flattened());
        };
        let gated = match self.gate_up.joined(&x, |layer| layer.of_outputs(pass), &join)? {
            Some(gated) => Operand::owned(gated),
            None => {
                let (gate_up, _) = self.gate_up.forward(&x, |layer| layer.of_outputs(pass))?;
                let [gate, up] = two(gate_up)?;
                let eight_bits = self.down.linear.takes_eight_bits(residual.rows());
                swiglu::operand(self.activation, &gate, &up, eight_bits)?
            }
        };
        drop(x);
        Ok(self.around.add_output(self.down.of_outputs(pass), &gated, &residual)?.0)
    }

    fn backward(
        &self,
        pass: &Pass<'_>,
        saved: Saved,
        dy: Matrix,
        gradients: &mut LoraGradients,
    ) -> Result<Option<Matrix>> {
        let Saved { residual, projected, gate, up, unnormed_output, .. } = saved;
        let doutput = self.around.output_gradient(unnormed_output, &dy)?;
        let doutput = doutput.as_ref().unwrap_or(&dy);
        let down = self.down.backward(pass, doutput)?;
        let dgated = down.input_gradient(doutput)?;
        let swiglu::Backward { gated, dgate, dup } =
            swiglu::backward(self.activation, gate.into_f32()?, up.into_f32()?, dgated)?;
        down.weight_gradients_again(&gated, doutput, gradients)?;
        drop(gated);
        let normed = self.around.normed(&residual)?;
        let x = normed.as_ref().unwrap_or(&residual);
        let dnormed = self.gate_up.backward(pass, x, &projected, vec![dgate, dup], true, gradients)?;
        let dnormed = dnormed.ok_or_else(|| Error::new(Code::Internal, "an MLP without projections"))?;
        drop(normed);
        self.around.input_gradient(&residual, &dnormed, dy).map(Some)
    }

    fn saved_bytes(&self, size: u64, _: u64, outputs: u64) -> u64 {
        let operands = if self.rounds() { self.width() } else { 2 * self.width() };
        let hidden = self.down.linear.shape().0 as u64;
        outputs * (4 * hidden + size * operands) + self.around.saved_bytes(size, outputs)
    }

    fn projections(&self) -> impl Iterator<Item = &Adaptable> {
        self.gate_up.layers.iter().chain([&self.down])
    }
}

fn two(matrices: Vec<Matrix>) -> Result<[Matrix; 2]> {
    let found = matrices.len();
    matrices.try_into().map_err(|_| Error::new(Code::Internal, format!("{found} projections of an MLP's input")))
}
