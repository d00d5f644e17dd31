//! The input of products with weights, and the forms of it that quantized weights take: each is made once, however many
//! weights the input meets.

#[cfg(target_arch = "x86_64")]
use super::bf16::{Rounded, Unit};
use super::eight_bits::{Activations, Order};
use crate::error::{Code, Error, Result};
use crate::gpu::{Arg, Array, Element, Grid, blocks, name};
use crate::tensor::Matrix;
use once_cell::unsync::OnceCell;

/// Inputs that share a scale on a card.
const SPAN: usize = 32;
/// Bytes for as many: one each, a scale and a sum.
const SPAN_BYTES: usize = SPAN + 8;

/// An activation that weights are multiplied with.
pub(crate) struct Operand<'a> {
    values: Values<'a>,
    /// In 8 bits on a card, as `eight_bits.cuh` has it.
    eight_bits: OnceCell<Array>,
    /// In bf16 on a card, as `few_rows.cuh` has it: in octets, and in halves.
    for_tensor_cores: [OnceCell<Array>; 2],
    /// In bf16 on the CPU.
    #[cfg(target_arch = "x86_64")]
    in_bf16: OnceCell<Rounded>,
    /// In 8 bits on the CPU: by the spans that share a scale, of which weights of K-quants have longer ones, and by their order.
    of_spans: [[OnceCell<Activations>; 2]; 2],
}

enum Values<'a> {
    Shared(&'a Matrix),
    Own(Matrix),
}

impl<'a> Operand<'a> {
    /// An activation that others use, too.
    pub(crate) fn of(x: &'a Matrix) -> Self {
        Operand::new(Values::Shared(x))
    }

    /// One that is made to be multiplied.
    pub(crate) fn owned(x: Matrix) -> Self {
        Operand::new(Values::Own(x))
    }

    /// One whose form in 8 bits was made with it.
    pub(crate) fn with_eight_bits(x: Matrix, eight_bits: Option<Array>) -> Self {
        Operand { eight_bits: eight_bits.map(OnceCell::with_value).unwrap_or_default(), ..Operand::owned(x) }
    }

    fn new(values: Values<'a>) -> Self {
        Operand {
            values,
            eight_bits: OnceCell::new(),
            for_tensor_cores: Default::default(),
            #[cfg(target_arch = "x86_64")]
            in_bf16: OnceCell::new(),
            of_spans: Default::default(),
        }
    }

    /// The activation itself.
    pub(crate) fn matrix(&self) -> &Matrix {
        match &self.values {
            Values::Shared(x) => x,
            Values::Own(x) => x,
        }
    }

    /// The same without what was made of it.
    pub(crate) fn plain(self) -> Self {
        Operand::new(self.values)
    }

    /// In 8 bits on a card.
    pub(super) fn eight_bits(&self) -> Result<&Array> {
        self.eight_bits.get_or_try_init(|| {
            let (from, (rows, width)) = (self.matrix().array()?, self.matrix().shape());
            let mut to = room_for_eight_bits(from, rows, width)?;
            let threads = width.div_ceil(4).next_multiple_of(32).min(128);
            let grid =
                Grid { blocks: [blocks(width, 4 * threads), blocks(rows, 1), 1], threads: threads as u32, shared: 0 };
            let args = [from.at(0), to.at_mut(0), (rows as u32).into(), (width as u32).into()];
            from.gpu().launch_early(&name("quantize_q8", &[from.element()]), grid, &args)?;
            Ok(to)
        })
    }

    /// In bf16 on a card, as products of some rows take it; in halves or in octets.
    pub(super) fn for_tensor_cores(&self, half_order: bool) -> Result<&Array> {
        self.for_tensor_cores[usize::from(half_order)].get_or_try_init(|| {
            let (from, (rows, width)) = (self.matrix().array()?, self.matrix().shape());
            let (row_blocks, tiles) = (width.div_ceil(256), 2 * rows.div_ceil(16));
            let mut to = Array::new(from.gpu(), Element::Bf16, row_blocks * 256 * tiles * 8)?;
            let grid = Grid { blocks: [blocks(row_blocks, 1), blocks(tiles, 1), 1], threads: 256, shared: 0 };
            let sizes = [rows as u32, width as u32, u32::from(half_order)].map(Arg::from);
            let args = [&[from.at(0), to.at_mut(0)][..], &sizes].concat();
            from.gpu().launch_early(&name("few_rows_operand", &[from.element()]), grid, &args)?;
            Ok(to)
        })
    }

    /// In bf16 on the CPU, as that takes it which multiplies it.
    #[cfg(target_arch = "x86_64")]
    pub(super) fn in_bf16(&self, unit: Unit) -> Result<&Rounded> {
        self.in_bf16.get_or_try_init(|| Rounded::of(unit, self.matrix().slice()?, self.matrix().cols()))
    }

    /// In 8 bits on the CPU, so many with a scale.
    pub(super) fn in_spans(&self, span: usize, order: Order) -> Result<&Activations> {
        let made =
            self.of_spans[usize::from(span > SPAN)][usize::from(order != Order::Vectors)].get_or_try_init(|| {
                let x = self.matrix();
                Ok::<_, Error>(Activations::quantize(x.slice()?, x.cols(), span, order))
            })?;
        match made.span_len() == span {
            true => Ok(made),
            false => Err(Error::new(Code::Internal, format!("activations by {span}, and by {}", made.span_len()))),
        }
    }
}

/// Memory for a matrix in 8 bits, on the card of another array.
pub(crate) fn room_for_eight_bits(like: &Array, rows: usize, width: usize) -> Result<Array> {
    Array::new(like.gpu(), Element::U8, rows * width.div_ceil(SPAN) * SPAN_BYTES)
}
