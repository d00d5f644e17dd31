//! A frozen weight of tiles: its products, and those of its transpose for the backward pass.

use super::super::dequantized;
use super::super::ggml::{self, GgmlDType, Plain};
use super::super::{FrozenMatrix, OnCard, Operand, Purpose, RowBytes, WeightType};
use super::tile::Tile;
use super::tiles::Tiles;
use crate::error::{Code, Error, Result};
use crate::tensor::Matrix;
use crate::weights::eight_bits::{Activations, Order};
use crate::weights::kernel::Kernel;
use crate::weights::panel_product::{self, PanelProduct};
use once_cell::race::OnceBox;
use std::sync::Arc;

/// A weight, `[out_features, in_features]`.
#[derive(Debug)]
pub(super) struct QuantizedMatrix<T: Tile> {
    tiles: Tiles<T>,
    /// Quantized along the outputs for the backward pass, where the type wants it; made when training first needs it.
    /// Of two trainings that do at the same time each makes one: who waits for parallel work may be given the other's.
    transposed: OnceBox<Tiles<T>>,
    /// Products of integers, where the CPU has them and they were not turned off; else the weight is dequantized to f32.
    kernel: Option<Kernel>,
}

/// The row of the table for a type whose blocks are whole.
pub(super) const fn weight_type<T: Tile>(
    name: &'static str,
    description: &'static str,
    head: &'static str,
    ggml: GgmlDType,
    on_card: OnCard,
) -> WeightType {
    WeightType {
        name,
        description,
        ggml,
        scales: T::SCALES,
        block: T::SPAN,
        fallback: None,
        head,
        on_card,
        quantize: |shape, values, exact| Ok(Arc::new(QuantizedMatrix::<T>::quantize(shape, values, exact)?)),
        from_rows: |shape, row, exact| Ok(Arc::new(QuantizedMatrix::<T>::from_rows(shape, row, exact)?)),
    }
}

/// The bytes of a block that values are quantized to.
pub(super) fn block<B: Plain>(values: &[f32]) -> Vec<u8> {
    let mut block = [B::zeros()];
    B::from_float(values, &mut block);
    // SAFETY: a plain block has no padding.
    unsafe { std::slice::from_raw_parts(block.as_ptr().cast::<u8>(), size_of::<B>()) }.to_vec()
}

impl<T: Tile> QuantizedMatrix<T> {
    pub(super) fn quantize([outputs, inputs]: [usize; 2], values: &[f32], exact: bool) -> Result<Self> {
        check_width::<T>(inputs)?;
        let row = |row: usize, out: &mut [f32]| out.copy_from_slice(&values[row * inputs..][..inputs]);
        Ok(Self::with(Tiles::quantize(outputs, inputs, row)?, exact))
    }

    /// The same blocks as those stored.
    fn from_rows([outputs, inputs]: [usize; 2], row: &RowBytes<'_>, exact: bool) -> Result<Self> {
        check_width::<T>(inputs)?;
        let expected = ggml::row_bytes(T::TYPE.ggml, inputs);
        let rows = (0..outputs).map(row).collect::<Result<Vec<_>>>()?;
        if let Some(row) = rows.iter().find(|row| Some(row.len()) != expected) {
            let message = format!("a row of {inputs} weights has {} bytes; expected {expected:?}", row.len());
            return Err(Error::new(Code::Internal, message));
        }
        let block = T::TYPE.ggml.type_size();
        let fill = |output: usize, lane: usize, tiles: &mut [T]| {
            let blocks = rows[output].chunks_exact(block);
            tiles.iter_mut().zip(blocks).for_each(|(tile, block)| tile.put(lane, block));
        };
        Ok(Self::with(Tiles::build(outputs, inputs, fill)?, exact))
    }

    fn with(tiles: Tiles<T>, exact: bool) -> Self {
        QuantizedMatrix { tiles, transposed: OnceBox::new(), kernel: if exact { None } else { Kernel::detect() } }
    }

    #[cfg(test)]
    pub(super) fn has_transposed(&self) -> bool {
        self.transposed.get().is_some()
    }

    fn transposed(&self) -> Result<&Tiles<T>> {
        let (outputs, inputs) = self.shape();
        let make = || Tiles::quantize(inputs, outputs, |input, out| self.tiles.column(input, out));
        self.transposed.get_or_try_init(|| make().map(Box::new))
    }
}

impl<T: Tile> FrozenMatrix for QuantizedMatrix<T> {
    fn shape(&self) -> (usize, usize) {
        dequantized::Rows::shape(&self.tiles)
    }

    fn type_name(&self) -> &'static str {
        T::TYPE.name
    }

    /// With the transpose if the backward pass will make one.
    fn bytes(&self, purpose: Purpose) -> u64 {
        let copies = if purpose == Purpose::Training && self.rounds_operands() { 2 } else { 1 };
        copies * self.tiles.bytes() as u64
    }

    fn has_panels(&self) -> bool {
        self.kernel.is_some()
    }

    fn by_panels<'a>(&'a self, x: &'a Operand<'_>) -> Result<Option<Box<dyn PanelProduct + 'a>>> {
        dequantized::operand(x.matrix(), self.shape().1)?;
        match self.kernel {
            Some(kernel) => {
                let x = x.in_spans(T::SPAN, Order::of(kernel, x.matrix().rows(), T::LIES_IN_TILES))?;
                Ok(Some(Box::new(self.tiles.times(kernel, x))))
            }
            None => Ok(None),
        }
    }

    fn product(&self, x: &Operand<'_>) -> Result<Matrix> {
        let (outputs, inputs) = self.shape();
        let (values, rows) = dequantized::operand(x.matrix(), inputs)?;
        let y = match self.by_panels(x)? {
            Some(product) => panel_product::alone(product, rows)?,
            None => dequantized::product(&self.tiles, values, rows)?,
        };
        Ok(Matrix::host(rows, outputs, y))
    }

    fn transposed_product(&self, dy: &Matrix) -> Result<Matrix> {
        let (outputs, inputs) = self.shape();
        let (dy, rows) = dequantized::operand(dy, outputs)?;
        let dx = match self.kernel.filter(|_| T::INTEGER_BACKWARD) {
            Some(kernel) => {
                let dy = Activations::quantize(dy, outputs, T::SPAN, Order::of(kernel, rows, T::LIES_IN_TILES));
                panel_product::alone(Box::new(self.transposed()?.times(kernel, &dy)), rows)?
            }
            None => dequantized::transposed_product(&self.tiles, dy, rows)?,
        };
        Ok(Matrix::host(rows, inputs, dx))
    }

    fn gather(&self, ids: &[u32]) -> Result<Matrix> {
        dequantized::gather(&self.tiles, ids)
    }

    fn rounds_inputs(&self) -> bool {
        self.has_panels()
    }

    fn rounds_operands(&self) -> bool {
        self.kernel.is_some() && T::INTEGER_BACKWARD
    }

    fn operand_bytes(&self, elements: u64) -> u64 {
        if self.rounds_operands() { elements * 21 / 16 } else { 0 }
    }

    fn workspace_bytes(&self) -> u64 {
        if self.rounds_operands() { 0 } else { dequantized::group_bytes(self.shape()) }
    }
}

fn check_width<T: Tile>(inputs: usize) -> Result<()> {
    let block = T::TYPE.block;
    match inputs.is_multiple_of(block) && inputs > 0 {
        true => Ok(()),
        false => {
            let name = T::TYPE.name;
            Err(Error::new(Code::Internal, format!("rows of {inputs} weights; {name} needs a multiple of {block}")))
        }
    }
}
