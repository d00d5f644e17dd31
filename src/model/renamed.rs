//! Weight files with other names than Llama's, as a source under Llama's.

use super::families::StoredNames;
use super::source::WeightSource;
use super::weight_file::WeightFile;
use crate::error::Result;
use crate::tensor::buffers::zeros;
use std::sync::Arc;

const PROJECTIONS: [&str; 3] = ["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"];

/// The files of a family and what it calls its tensors.
pub(super) struct Renamed<S> {
    pub(super) files: S,
    pub(super) names: &'static StoredNames,
    /// Columns of queries, keys and values.
    pub(super) widths: [usize; 3],
    pub(super) head_dim: usize,
}

impl<S: WeightSource> Renamed<S> {
    /// What the files call a tensor.
    fn stored(&self, name: &str) -> String {
        if let Some((front, rest, kind)) = parts(name) {
            let (ours, theirs) = (rest, self.names.paths.iter().find(|(ours, _)| *ours == rest));
            let path = match (theirs, self.names.grouped_qkv) {
                (Some((_, theirs)), _) => theirs,
                (None, Some(grouped)) if PROJECTIONS.contains(&ours) => grouped,
                _ => ours,
            };
            return self.with_stored_front(format!("{front}.{path}.{kind}"));
        }
        self.with_stored_front(name.to_owned())
    }

    /// What is read of a tensor of the files.
    fn read_as(&self, stored: &str) -> Vec<String> {
        let name = self.with_our_front(stored);
        let Some((front, path, kind)) = parts(&name) else { return vec![name] };
        if self.names.grouped_qkv == Some(path) {
            return PROJECTIONS.map(|path| format!("{front}.{path}.{kind}")).into();
        }
        let ours = self.names.paths.iter().find(|(_, theirs)| *theirs == path).map_or(path, |(ours, _)| ours);
        vec![format!("{front}.{ours}.{kind}")]
    }

    /// With the first of the fronts that the files have.
    fn with_stored_front(&self, name: String) -> String {
        let mut fronts = self.names.fronts.iter();
        let stored = fronts.find_map(|(ours, theirs)| {
            let stored = format!("{theirs}{}", name.strip_prefix(ours)?);
            self.files.contains(&stored).then_some(stored)
        });
        stored.unwrap_or(name)
    }

    fn with_our_front(&self, stored: &str) -> String {
        let mut fronts = self.names.fronts.iter();
        let found = fronts.find_map(|(ours, theirs)| Some(format!("{ours}{}", stored.strip_prefix(theirs)?)));
        found.unwrap_or_else(|| stored.to_owned())
    }

    /// Which of the three projections a name is, where the files have them in one.
    fn projection(&self, name: &str) -> Option<usize> {
        self.names.grouped_qkv?;
        let (_, path, _) = parts(name)?;
        PROJECTIONS.iter().position(|projection| *projection == path)
    }
}

/// `model.layers.N`, the path below it and `weight` or `bias`.
fn parts(name: &str) -> Option<(&str, &str, &str)> {
    let layer = name.strip_prefix("model.layers.")?;
    let dot = "model.layers.".len() + layer.find('.')?;
    let (path, kind) = name[dot + 1..].rsplit_once('.')?;
    Some((&name[..dot], path, kind))
}

impl<S: WeightSource> WeightSource for Renamed<S> {
    fn contains(&self, name: &str) -> bool {
        self.files.contains(&self.stored(name))
    }

    fn len(&self) -> usize {
        self.files.len()
    }

    fn names(&self) -> Vec<String> {
        self.files.names().iter().flat_map(|stored| self.read_as(stored)).collect()
    }

    fn is_bf16(&self) -> bool {
        self.files.is_bf16()
    }

    fn files(&self) -> Vec<Arc<WeightFile>> {
        self.files.files()
    }

    fn values(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>> {
        let Some(projection) = self.projection(name) else { return self.files.values(&self.stored(name), shape) };
        let mut all = shape.to_vec();
        all[0] = self.widths.iter().sum();
        let values = self.files.values(&self.stored(name), &all)?;
        let width: usize = shape[1..].iter().product();
        // Queries of a key head, then its key and its value.
        let group = self.widths[0] / self.widths[1] + 2;
        let (first, heads) = [(0, group - 2), (group - 2, 1), (group - 1, 1)][projection];
        let mut out = zeros(shape.iter().product())?;
        let piece = heads * self.head_dim * width;
        for (out, values) in out.chunks_exact_mut(piece).zip(values.chunks_exact(group * self.head_dim * width)) {
            out.copy_from_slice(&values[first * self.head_dim * width..][..piece]);
        }
        Ok(out)
    }

    fn same(&self, one: &str, other: &str, shape: &[usize]) -> Result<bool> {
        self.files.same(&self.stored(one), &self.stored(other), shape)
    }
}
