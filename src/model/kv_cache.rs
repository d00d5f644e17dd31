//! Keys and values of the tokens seen so far, one pair of matrices per layer, allocated once.

use crate::error::{Code, Error, Result};
use crate::memory;
use crate::ops::buffers;
use candle_core::{DType, Device, Tensor};

/// The key/value cache of one sequence.
#[derive(Debug)]
pub(crate) struct KvCache {
    /// `[capacity, kv_heads · head_dim]` each.
    layers: Vec<(Tensor, Tensor)>,
    len: usize,
    capacity: usize,
}

impl KvCache {
    pub(super) fn new(num_layers: usize, capacity: usize, width: usize, device: &Device) -> Result<Self> {
        let shape = (capacity.max(1), width);
        let zeros = || match device.is_cpu() {
            true => Ok(Tensor::from_vec(buffers::zeros(shape.0.saturating_mul(width))?, shape, device)?),
            false => Ok::<_, Error>(Tensor::zeros(shape, DType::F32, device)?),
        };
        let layers = (0..num_layers).map(|_| Ok((zeros()?, zeros()?))).collect::<Result<_>>()?;
        Ok(KvCache { layers, len: 0, capacity })
    }

    /// Tokens held.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Tokens that fit.
    pub(crate) fn capacity(&self) -> usize {
        self.capacity
    }

    /// Forgets all but the first `len` tokens.
    pub(crate) fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
    }

    fn bytes(&self) -> u64 {
        self.layers.iter().map(|(k, v)| (k.elem_count() + v.elem_count()) as u64 * size_of::<f32>() as u64).sum()
    }

    /// An independent copy.
    pub(crate) fn duplicate(&self) -> Result<Self> {
        memory::probe(self.bytes())?;
        let layers = self.layers.iter().map(|(k, v)| Ok((k.copy()?, v.copy()?))).collect::<Result<_>>()?;
        Ok(KvCache { layers, len: self.len, capacity: self.capacity })
    }

    pub(super) fn check_room(&self, tokens: usize) -> Result<()> {
        if self.len + tokens <= self.capacity {
            return Ok(());
        }
        Err(Error::new(
            Code::ContextLength,
            format!("{} tokens do not fit: the cache holds {} of at most {}", tokens, self.len, self.capacity),
        ))
    }

    /// Stores keys and values of new tokens behind those held, and returns all of them; `advance` makes them count.
    pub(super) fn append(&self, layer: usize, k: &Tensor, v: &Tensor) -> Result<(Tensor, Tensor)> {
        let (all_k, all_v) = &self.layers[layer];
        all_k.slice_set(k, 0, self.len)?;
        all_v.slice_set(v, 0, self.len)?;
        let held = self.len + k.dim(0)?;
        Ok((all_k.narrow(0, 0, held)?, all_v.narrow(0, 0, held)?))
    }

    pub(super) fn advance(&mut self, tokens: usize) {
        self.len += tokens;
    }
}
