//! The deltas of a few rows on a card, as in decoding: two launches for all of them, whatever adapters they have.

use super::LoraWeights;
use crate::error::{Code, Error, Result};
use crate::gpu::{Arg, Array, Element, Gpu, Grid, blocks, f32_only, name, threads_of_row};
use crate::tensor::Matrix;

/// The deltas of each row of a pass at one site; made once, used as long as the rows keep their adapters.
pub(crate) struct Rows {
    /// `lora::Entry` of the kernels: one delta of one row.
    entries: Array,
    /// By row, its first entry, and the end.
    firsts: Array,
    count: usize,
    rank: usize,
    outputs: usize,
    /// Whose addresses the entries hold.
    _deltas: Vec<LoraWeights>,
}

impl Rows {
    /// `rows`: the deltas of each, all of one linear layer; `None` if there are none at all.
    pub(crate) fn new(gpu: &Gpu, rows: &[&[LoraWeights]]) -> Result<Option<Self>> {
        let deltas: Vec<LoraWeights> = rows.iter().flat_map(|deltas| deltas.iter().cloned()).collect();
        let Some(first) = deltas.first() else { return Ok(None) };
        let (outputs, rank) = (first.b.rows(), deltas.iter().map(|delta| delta.a.rows()).max().unwrap_or_default());
        if deltas.iter().any(|delta| delta.b.rows() != outputs || delta.b.cols() != delta.a.rows()) {
            return Err(Error::new(Code::Internal, "deltas of different layers beside each other"));
        }
        let (mut entries, mut firsts) = (Vec::new(), vec![0u32]);
        for (row, deltas) in rows.iter().enumerate() {
            for delta in *deltas {
                entries.extend(entry(row, delta)?);
            }
            firsts.push((entries.len() / ENTRY) as u32);
        }
        Ok(Some(Rows {
            entries: Array::upload_bytes(gpu, &entries)?,
            firsts: Array::upload_u32(gpu, &firsts)?,
            count: deltas.len(),
            rank,
            outputs,
            _deltas: deltas,
        }))
    }

    /// Adds the deltas to `y [rows, outputs]`, given the layer's input `x [rows, inputs]`.
    pub(crate) fn add(&self, y: &mut Matrix, x: &Matrix) -> Result<()> {
        let (from, inputs, rows) = (x.array()?, x.cols(), self.firsts.len() - 1);
        if (x.rows(), y.shape()) != (rows, (rows, self.outputs)) {
            return Err(Error::new(Code::Internal, format!("deltas of {rows} rows added to {:?}", y.shape())));
        }
        let mut low = Array::new(from.gpu(), Element::F32, self.count * self.rank)?;
        let sizes = [Arg::from(inputs as u32), Arg::from(self.rank as u32)];
        let no_dropout = [Arg::from(0u64), Arg::from(0u32), Arg::from(1.0f32)];
        let operands = [from.at(0), low.at_mut(0), self.entries.at(0)];
        let args: Vec<Arg> = operands.into_iter().chain(sizes).chain(no_dropout).collect();
        let elements = [from.element()];
        let threads = threads_of_row(inputs, &elements, 1024);
        let grid = Grid { blocks: [blocks(self.rank, 1), blocks(self.count, 1), 1], threads, shared: 0 };
        from.gpu().launch(&name("lora_down", &elements), grid, &args)?;

        const THREADS: usize = 128;
        let to = y.array_mut()?;
        let elements = [to.element()];
        let sizes = [Arg::from(self.outputs as u32), Arg::from(self.rank as u32)];
        let args = [to.at_mut(0), low.at(0), self.entries.at(0), self.firsts.at(0), sizes[0], sizes[1]];
        let grid = Grid { blocks: [blocks(self.outputs, THREADS), rows as u32, 1], threads: THREADS as u32, shared: 0 };
        from.gpu().launch(&name("lora_up", &elements), grid, &args)
    }
}

/// Bytes of an entry.
const ENTRY: usize = 32;

fn entry(row: usize, delta: &LoraWeights) -> Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(ENTRY);
    for word in [row as u64, address(&delta.a)?, address(&delta.b)?] {
        bytes.extend(word.to_le_bytes());
    }
    bytes.extend((delta.a.rows() as u32).to_le_bytes());
    bytes.extend((delta.scaling as f32).to_le_bytes());
    Ok(bytes)
}

fn address(matrix: &Matrix) -> Result<u64> {
    Ok(f32_only(matrix.array()?)?.address_of(0))
}
