//! Loss and gradients of one packed batch: the decoder forward, the head over trained tokens only, and backward.

use super::decoder::Decoder;
use super::layer::{Activations, Pass};
use super::lora::{LoraStack, Site};
use crate::error::{Code, Error, Result};
use crate::memory;
use crate::ops::attention::Span;
use crate::ops::buffers::recycle;
use crate::ops::cross_entropy::loss_sum;
use crate::ops::lora::{Dropout, LoraGrad};
use crate::ops::matmul::add;
use candle_core::Tensor;

/// Token rows laid end to end; attention never crosses from one to the next, so packing changes no number.
#[derive(Debug, Clone, Default)]
pub(crate) struct PackedBatch {
    tokens: Vec<u32>,
    positions: Vec<usize>,
    spans: Vec<Span>,
    /// Rows whose next token is trained, and that token.
    trained: Vec<(u32, u32)>,
}

impl PackedBatch {
    /// Adds a row; `trained` says by position which of its tokens have a loss.
    pub(crate) fn push(&mut self, ids: &[u32], trained: impl Fn(usize) -> bool) {
        let start = self.tokens.len();
        self.spans.push(Span { query: start, queries: ids.len(), key: start, keys: ids.len() });
        self.positions.extend(0..ids.len());
        self.tokens.extend_from_slice(ids);
        // The first token of a row has nothing before it that could predict it.
        for (i, id) in ids.iter().enumerate().skip(1).filter(|(i, _)| trained(*i)) {
            self.trained.push(((start + i - 1) as u32, *id));
        }
    }

    /// Tokens that run through the decoder.
    pub(crate) fn num_tokens(&self) -> usize {
        self.tokens.len()
    }

    /// Tokens that have a loss.
    pub(crate) fn num_trained(&self) -> usize {
        self.trained.len()
    }
}

/// The gradients of a stack's deltas, in the order of [`Site::all`] and of the stack at each site.
#[derive(Debug, Clone, Default)]
pub(crate) struct LoraGradients {
    sites: Vec<Vec<LoraGrad>>,
}

impl LoraGradients {
    /// The gradients at a site.
    pub(crate) fn at(&self, site: Site) -> &[LoraGrad] {
        self.sites.get(site.index()).map_or(&[], Vec::as_slice)
    }

    /// Adds those of another micro-batch.
    pub(crate) fn accumulate(&mut self, other: LoraGradients) -> Result<()> {
        if self.sites.is_empty() {
            self.sites = other.sites;
            return Ok(());
        }
        for (mine, theirs) in self.sites.iter_mut().flatten().zip(other.sites.into_iter().flatten()) {
            mine.a = add(mine.a.clone(), &theirs.a)?;
            mine.b = add(mine.b.clone(), &theirs.b)?;
        }
        Ok(())
    }

    /// √Σ g² over all tensors.
    pub(crate) fn norm(&self) -> Result<f64> {
        let mut sum = 0.0;
        for grad in self.sites.iter().flatten() {
            for tensor in [&grad.a, &grad.b] {
                sum += f64::from(tensor.sqr()?.sum_all()?.to_scalar::<f32>()?);
            }
        }
        Ok(sum.sqrt())
    }
}

impl Decoder {
    fn probe(&self, batch: &PackedBatch) -> Result<()> {
        let longest = batch.spans.iter().map(|span| span.keys).max().unwrap_or(0);
        memory::probe(self.unfailing_bytes(batch.num_tokens(), longest, batch.num_trained()))
    }

    /// Σ loss over the trained tokens of the batch, nats.
    pub(crate) fn loss(&self, batch: &PackedBatch, lora: &LoraStack) -> Result<f64> {
        self.probe(batch)?;
        self.run(|| {
            let rotation = self.rotation(&batch.positions)?;
            let (rows, targets) = self.trained_rows(batch)?;
            let wanted = Some((self.layers.len() - 1, &rows));
            let pass = Pass { rotation: &rotation, spans: &batch.spans, lora, dropout: None, wanted };
            let mut x = self.embed(&batch.tokens)?;
            for layer in &self.layers {
                let input = x.clone();
                let activations = layer.activations(&pass, x, None)?;
                x = layer.output(&pass, &activations)?;
                activations.recycle();
                recycle([input]);
            }
            let hidden = self.final_norm(&x)?;
            Ok(loss_sum(&self.head, &hidden, &targets, None)?.loss)
        })
    }

    /// Σ loss, and the gradients of that sum times `factor`.
    ///
    /// With `checkpoint`, a layer keeps only its input and is run again for its backward: about a quarter more time
    /// for a small part of the memory (Chen et al. 2016).
    pub(crate) fn loss_and_gradients(
        &self,
        batch: &PackedBatch,
        lora: &LoraStack,
        factor: f64,
        dropout: Option<Dropout>,
        checkpoint: bool,
    ) -> Result<(f64, LoraGradients)> {
        self.probe(batch)?;
        self.run(|| {
            let rotation = self.rotation(&batch.positions)?;
            let (rows, targets) = self.trained_rows(batch)?;
            let wanted = Some((self.layers.len() - 1, &rows));
            let pass = Pass { rotation: &rotation, spans: &batch.spans, lora, dropout, wanted };
            let mut x = self.embed(&batch.tokens)?;
            let mut kept = Vec::with_capacity(self.layers.len());
            for layer in &self.layers {
                let input = x.clone();
                let activations = layer.activations(&pass, x, None)?;
                x = layer.output(&pass, &activations)?;
                kept.push(match checkpoint {
                    false => Kept::All(Box::new(layer.kept(activations)?)),
                    true => {
                        activations.recycle();
                        Kept::Input(input)
                    }
                });
            }

            let hidden = self.final_norm(&x)?;
            let loss = loss_sum(&self.head, &hidden, &targets, Some(factor))?;
            let dhidden = loss.dhidden.ok_or_else(|| Error::new(Code::Training, "the batch trains no token"))?;
            let mut dy = self.final_norm_backward(&x, &dhidden)?;
            recycle([x, hidden, dhidden]);

            // Below the lowest adapted layer nothing is trained.
            let lowest = Site::all(self.layers.len()).find(|site| !lora.at(*site).is_empty()).map_or(0, |s| s.layer);
            let mut sites = vec![Vec::new(); self.layers.len() * 7];
            for layer in self.layers.iter().rev() {
                let Some(kept) = kept.pop().filter(|_| layer.index >= lowest) else { break };
                let activations = match kept {
                    Kept::All(activations) => *activations,
                    Kept::Input(input) => layer.kept(layer.activations(&pass, input, None)?)?,
                };
                let (dx, grads) = layer.backward(&pass, activations, dy, layer.index > lowest)?;
                for (slot, grad) in sites[layer.index * 7..].iter_mut().zip(grads) {
                    *slot = grad;
                }
                match dx {
                    Some(dx) => dy = dx,
                    None => break,
                }
            }
            Ok((loss.loss, LoraGradients { sites }))
        })
    }

    fn trained_rows(&self, batch: &PackedBatch) -> Result<(Tensor, Vec<u32>)> {
        let (rows, targets): (Vec<u32>, Vec<u32>) = batch.trained.iter().copied().unzip();
        if rows.is_empty() {
            return Err(Error::new(Code::Training, "the batch trains no token"));
        }
        if let Some(id) = targets.iter().find(|&&id| id as usize >= self.config.vocab_size) {
            return Err(Error::new(Code::InvalidArgument, format!("target id {id} is outside the vocabulary")));
        }
        Ok((Tensor::new(rows, &self.device)?, targets))
    }
}

enum Kept {
    All(Box<Activations>),
    Input(Tensor),
}
