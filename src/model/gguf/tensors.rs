//! The tensors of a GGUF file under their Hugging Face names, in the types they are stored in where the decoder has them.

use super::architectures::architecture;
use super::names::{Names, Place};
use super::{Gguf, TensorInfo};
use crate::error::{Code, Error, Result};
use crate::model::config::DecoderConfig;
use crate::model::source::{Found, WeightSource, check_finite};
use crate::model::weight_file::WeightFile;
use crate::tensor::Device;
use crate::tensor::buffers::zeros;
use crate::weights::ggml::GgmlDType;
use crate::weights::{FALLBACK, WeightType, ggml};
use rayon::prelude::*;
use std::sync::Arc;

/// Values that are read and dequantized at a time.
const PIECE: usize = 1 << 16;

impl Gguf {
    /// Whether a tensor of that name is stored.
    pub(super) fn has(&self, name: &str) -> bool {
        self.tensors.contains_key(name)
    }

    /// Rows of the embedding.
    pub(super) fn vocab_size(&self) -> Result<usize> {
        let name = "token_embd.weight";
        self.tensors.get(name).and_then(|info| info.shape.first().copied()).ok_or_else(|| self.missing(name, &[]))
    }

    /// The values of a tensor of one dimension.
    pub(super) fn vector(&self, name: &str) -> Result<Vec<f32>> {
        let len = self.tensors.get(name).map_or(0, |info| info.shape.iter().product());
        self.values(name, &[len])
    }

    /// The id of e.g. `eos`, if the metadata names one.
    pub(crate) fn token_id(&self, name: &str) -> Result<Option<u32>> {
        let key = format!("tokenizer.ggml.{name}_token_id");
        // Some converters write −1, as an unsigned number, for "none".
        Ok(self.whole(&key)?.and_then(|id| u32::try_from(id).ok()).filter(|id| *id != u32::MAX))
    }

    /// The values of the tensor `name` of exactly `shape`.
    pub(super) fn values(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>> {
        self.values_at(&Place { tensor: name.to_owned(), part: None }, shape)
    }

    /// The values of a tensor, or of the part of one, of exactly `shape`.
    fn values_at(&self, place: &Place, shape: &[usize]) -> Result<Vec<f32>> {
        let (info, start) = self.info(place, shape)?;
        let name = &*place.tensor;
        let mut values = zeros(shape.iter().product())?;
        let width = shape.last().copied().unwrap_or(1);
        let (rows, row_bytes) = (PIECE / width + 1, info.row_bytes);
        values.par_chunks_mut(rows * width).enumerate().try_for_each_init(Vec::new, |bytes, (index, out)| {
            bytes.resize(out.len() / width * row_bytes, 0);
            self.files[info.file].read_into(start + (index * rows * row_bytes) as u64, bytes)?;
            let rows = out.chunks_exact_mut(width).zip(bytes.chunks_exact(row_bytes));
            rows.into_iter().try_for_each(|(out, bytes)| ggml::dequantize(info.dtype, bytes, out))
        })?;
        check_finite(name, &values).map_err(|err| self.named(err))?;
        Ok(values)
    }

    /// The tensor that is, or has, one of `shape`, and where that begins in the file.
    fn info(&self, place: &Place, shape: &[usize]) -> Result<(&TensorInfo, u64)> {
        let name = &*place.tensor;
        let info = self.tensors.get(name).ok_or_else(|| self.missing(name, shape))?;
        let (part, shape) = match place.part {
            None => (0, shape.to_vec()),
            Some((part, parts)) => (part, [&[parts], shape].concat()),
        };
        if info.shape == shape {
            let rows: usize = shape[place.part.iter().len()..shape.len() - 1].iter().product();
            return Ok((info, info.start + (part * rows * info.row_bytes) as u64));
        }
        let message = format!("tensor {name} has shape {:?}; the metadata makes it {shape:?}", info.shape);
        let err = self.error(Code::ModelFormat, message).with("tensor", name);
        Err(err.with("found_shape", &info.shape).with("expected_shape", &shape))
    }

    fn named(&self, err: Error) -> Error {
        err.in_file(self.path())
    }

    fn missing(&self, name: &str, shape: &[usize]) -> Error {
        let shape = if shape.is_empty() { String::new() } else { format!("; expected shape {shape:?}") };
        self.error(Code::ModelFormat, format!("tensor {name} is missing{shape}")).with("tensor", name)
    }

    /// The bytes of `rows` rows of a tensor.
    fn stored(&self, info: &TensorInfo, start: u64, rows: usize) -> Result<Vec<u8>> {
        self.files[info.file].read(start, (rows * info.row_bytes) as u64)
    }
}

/// A GGUF file as the source of a decoder's weights.
pub(crate) struct GgufWeights {
    gguf: Arc<Gguf>,
    names: Names,
    /// Rows of a head, where llama.cpp keeps the rows of q and k in its own order.
    permuted: Option<usize>,
}

impl GgufWeights {
    pub(crate) fn new(gguf: Arc<Gguf>, config: &DecoderConfig) -> Result<Self> {
        let name = gguf.text("general.architecture")?.unwrap_or_default();
        let permuted = architecture(name)?.permuted.then_some(config.head_dim);
        Ok(GgufWeights { gguf, names: Names::of(config), permuted })
    }

    /// The rows of a tensor in the order of Hugging Face; `None` if it is that of the file.
    fn order(&self, name: &str) -> Option<impl Fn(usize) -> usize + use<>> {
        let moved = [".q_proj.", ".k_proj."].iter().any(|part| name.contains(part));
        self.permuted.filter(|_| moved).map(|dim| {
            move |row: usize| {
                let (head, within) = (row / dim, row % dim);
                let (half, i) = (within / (dim / 2), within % (dim / 2));
                head * dim + 2 * i + half
            }
        })
    }
}

impl WeightSource for GgufWeights {
    fn contains(&self, name: &str) -> bool {
        self.gguf.has(&self.names.place(name).tensor)
    }

    fn len(&self) -> usize {
        self.gguf.tensors.len()
    }

    fn names(&self) -> Vec<String> {
        self.gguf.tensors.keys().flat_map(|name| self.names.read_as(name)).collect()
    }

    fn is_bf16(&self) -> bool {
        let mut matrices = self.gguf.tensors.values().filter(|info| info.shape.len() > 1);
        matrices.all(|info| info.dtype == GgmlDType::BF16)
    }

    fn files(&self) -> Vec<Arc<WeightFile>> {
        self.gguf.files.clone()
    }

    fn values(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>> {
        let values = self.gguf.values_at(&self.names.place(name), shape)?;
        let Some(order) = self.order(name) else { return Ok(values) };
        let width = if shape.len() > 1 { shape[shape.len() - 1] } else { 1 };
        let mut ordered = zeros(values.len())?;
        ordered
            .par_chunks_mut(width)
            .enumerate()
            .for_each(|(row, out)| out.copy_from_slice(&values[order(row) * width..][..width]));
        Ok(ordered)
    }

    fn quantized(&self, name: &str, shape: [usize; 2], exact: bool, device: &Device) -> Result<Option<Found>> {
        let gguf = &*self.gguf;
        let place = self.names.place(name);
        let (info, start) = gguf.info(&place, &shape)?;
        let stored = place.tensor;
        if info.dtype.block_size() == 1 {
            return Ok(None);
        }
        let Some(kind) = WeightType::of_ggml(info.dtype) else {
            let weight = FALLBACK.quantized(device, shape, &self.values(name, &shape)?, exact)?;
            return Ok(Some(Found { weight, converted_from: Some(format!("{:?}", info.dtype).to_lowercase()) }));
        };
        let (order, bytes) = (self.order(name), gguf.stored(info, start, shape[0])?);
        let row = |index: usize| {
            let row = order.as_ref().map_or(index, |order| order(index));
            let bytes = bytes.get(row * info.row_bytes..(row + 1) * info.row_bytes);
            bytes.ok_or_else(|| gguf.error(Code::Internal, format!("row {row} of {stored} is not one of its rows")))
        };
        check_rows(&stored, kind, shape, row).map_err(|err| gguf.named(err))?;
        Ok(Some(Found { weight: kind.stored(device, shape, &row, exact)?, converted_from: None }))
    }
}

/// Refuses blocks that hold what is not a finite number.
fn check_rows<'a>(
    name: &str,
    kind: &WeightType,
    [rows, width]: [usize; 2],
    row: impl Fn(usize) -> Result<&'a [u8]> + Sync,
) -> Result<()> {
    (0..rows).into_par_iter().try_for_each(|index| {
        let bytes = row(index)?;
        if kind.is_finite(bytes) {
            return Ok(());
        }
        let mut values = vec![0.0f32; width];
        ggml::dequantize(kind.ggml, bytes, &mut values)?;
        check_finite(name, &values).map_err(|err| err.with("row", index))
    })
}
