//! The launches of `swiglu.cu`.

use super::{Activation, Backward};
use crate::error::Result;
use crate::gpu::{Arg, Array, Grid, blocks, common_type, name, over_elements};
use crate::tensor::Matrix;
use crate::weights::{Operand, room_for_eight_bits};

pub(super) fn forward(activation: Activation, gate: &Matrix, up: &Matrix) -> Result<Matrix> {
    let (g, u) = (gate.array()?, up.array()?);
    let elements = [common_type(&[g, u])?];
    let mut y = Array::new(g.gpu(), elements[0], gate.len())?;
    let kernel = match activation {
        Activation::Silu => "swiglu_silu",
        Activation::GeluTanh => "swiglu_gelu",
    };
    let args = [g.at(0), u.at(0), y.at_mut(0), Arg::from(gate.len() as u64)];
    g.gpu().launch_early(&name(kernel, &elements), over_elements(gate.len(), &elements), &args)?;
    Ok(Matrix::of_array(gate.rows(), gate.cols(), y))
}

/// The same, and in 8 bits.
pub(super) fn in_eight_bits(activation: Activation, gate: &Matrix, up: &Matrix) -> Result<Operand<'static>> {
    const THREADS: usize = 128;
    let (g, u, (rows, n)) = (gate.array()?, up.array()?, gate.shape());
    let elements = [common_type(&[g, u])?];
    let mut y = Array::new(g.gpu(), elements[0], gate.len())?;
    let mut bits = room_for_eight_bits(g, rows, n)?;
    let kernel = match activation {
        Activation::Silu => "swiglu_q8_silu",
        Activation::GeluTanh => "swiglu_q8_gelu",
    };
    let args = [g.at(0), u.at(0), y.at_mut(0), bits.at_mut(0), Arg::from(rows as u32), Arg::from(n as u32)];
    let grid = Grid { blocks: [blocks(n, 4 * THREADS), blocks(rows, 1), 1], threads: THREADS as u32, shared: 0 };
    g.gpu().launch_early(&name(kernel, &elements), grid, &args)?;
    Ok(Operand::with_eight_bits(Matrix::of_array(rows, n, y), Some(bits)))
}

/// The results take the place of the operands.
pub(super) fn backward(activation: Activation, mut gate: Matrix, mut up: Matrix, mut dy: Matrix) -> Result<Backward> {
    let n = gate.len();
    let elements = [common_type(&[gate.array()?, up.array()?, dy.array()?])?];
    let kernel = match activation {
        Activation::Silu => "swiglu_backward_silu",
        Activation::GeluTanh => "swiglu_backward_gelu",
    };
    let [g, u, d] = [gate.array_mut()?.at_mut(0), up.array_mut()?.at_mut(0), dy.array_mut()?.at_mut(0)];
    let args = [g, u, d, d, g, u, Arg::from(n as u64)];
    gate.array()?.gpu().launch(&name(kernel, &elements), over_elements(n, &elements), &args)?;
    Ok(Backward { gated: dy, dgate: gate, dup: up })
}

#[cfg(all(test, feature = "cuda-emulator"))]
mod tests {
    use super::*;
    use crate::gpu::Element;
    use crate::tensor::DeviceChoice;
    use crate::tensor::testing::{flat, normal};
    use crate::weights::TYPES;

    #[test]
    fn the_8_bits_are_those_made_of_the_result() {
        let device = DeviceChoice::Emulator.open().unwrap();
        for (element, width) in [(Element::F32, 96), (Element::Bf16, 544)] {
            let [gate, up] = [1, 2].map(|seed| {
                let x = normal(3, width, seed).to(&device).unwrap();
                Matrix::of_array(3, width, x.array().unwrap().cast(element).unwrap())
            });
            let both = in_eight_bits(Activation::Silu, &gate, &up).unwrap();
            let alone = Operand::owned(forward(Activation::Silu, &gate, &up).unwrap());
            assert_eq!(flat(both.matrix()), flat(alone.matrix()));
            let w = normal(5, width, 3);
            let weight = TYPES[0].quantized(&device, [5, width], &w.values().unwrap(), false).unwrap();
            assert_eq!(flat(&weight.product(&both).unwrap()), flat(&weight.product(&alone).unwrap()));
        }
    }
}
