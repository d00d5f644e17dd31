//! What is kept of tokens that were read.

use super::config::DecoderConfig;
use crate::error::{Code, Error, Result};
use crate::ops::attention::{KeysValues, KvType};
use crate::tensor::{Device, EightBits, Element};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The type in which keys and values are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum KvCacheDtype {
    /// On a GPU that of `dtype`; on the CPU f16 where products round their inputs too (those of quantized and of bf16 weights, without `exact`), else f32.
    Auto,
    /// 32 bits.
    F32,
    /// 16 bits.
    F16,
    /// GGML's Q8_0: 8 bits, and one scale for 32 numbers, about half the memory of f16. The model's heads must be of 32 numbers or a multiple.
    Q8_0,
}

/// The keys and values of a token, in all layers.
#[derive(Debug, Clone)]
pub(crate) struct KvForm {
    pub(super) layers: usize,
    /// Columns of keys and of values.
    pub(super) width: usize,
    pub(super) kind: KvType,
    /// Tokens beyond which a sequence has other rotations.
    pub(super) beyond: usize,
    pub(super) device: Device,
}

impl KvForm {
    /// `rounds_inputs` says whether the model's products round what they take.
    ///
    /// # Errors
    /// `InvalidOptions` for a type that this device or these heads do not have.
    pub(super) fn of(
        dtype: KvCacheDtype,
        config: &DecoderConfig,
        rounds_inputs: bool,
        device: &Device,
    ) -> Result<Self> {
        let beyond = config.ropes.iter().filter_map(|rope| Some(rope.long.as_ref()?.beyond)).min();
        Ok(KvForm {
            layers: config.num_hidden_layers,
            width: config.num_key_value_heads * config.head_dim,
            kind: kind(dtype, config.head_dim, rounds_inputs, device)?,
            beyond: beyond.unwrap_or(usize::MAX),
            device: device.clone(),
        })
    }

    /// The name of the type.
    pub(super) fn dtype_name(&self) -> &'static str {
        match (self.kind, self.device.activation_type()) {
            (KvType::Activation, element) => element.name(),
            (KvType::F16, _) => "f16",
            (KvType::EightBits, _) => "q8_0",
        }
    }

    /// Rows of zeros.
    pub(super) fn zeros(&self, rows: usize) -> Result<KeysValues> {
        KeysValues::zeros(self.kind, rows, self.width, &self.device)
    }
}

fn kind(dtype: KvCacheDtype, head_dim: usize, rounds_inputs: bool, device: &Device) -> Result<KvType> {
    let refused = |why: String| {
        let message = format!("invalid model options at `kv_cache_dtype`: {why}");
        Err(Error::new(Code::InvalidOptions, message).with("option", "kv_cache_dtype"))
    };
    if !device.is_host() && dtype != KvCacheDtype::Auto {
        return refused(format!(
            "on {} keys and values have the type of activations: leave it at `auto`",
            device.name()
        ));
    }
    Ok(match dtype {
        // As llama.cpp keeps them.
        KvCacheDtype::Auto if device.is_host() && rounds_inputs => KvType::F16,
        KvCacheDtype::Auto | KvCacheDtype::F32 => KvType::Activation,
        KvCacheDtype::F16 => KvType::F16,
        KvCacheDtype::Q8_0 if head_dim.is_multiple_of(EightBits::WIDTH) => KvType::EightBits,
        KvCacheDtype::Q8_0 => {
            let width = EightBits::WIDTH;
            return refused(format!("`q8_0` has blocks of {width} numbers, and the model's heads are of {head_dim}"));
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::Monitor;
    use crate::model::test_support::{fixtures, random_model};
    use crate::model::{Decoder, LoadPlan, LoraStack};
    use crate::tensor::DeviceChoice;
    use crate::tensor::testing::relative_error;
    use crate::weights::{Dtype, Quantize};

    fn load(dir: &std::path::Path, quantize: Option<Quantize>, kv_cache_dtype: KvCacheDtype) -> Result<Decoder> {
        let (device, dtype) = (DeviceChoice::Cpu, Dtype::F32);
        let plan = LoadPlan { device, dtype, quantize, exact: false, kv_cache_dtype, threads: 2 };
        Decoder::load(dir, &plan, &mut Monitor::none())
    }

    #[test]
    fn every_type_reads_like_f32() {
        let model = random_model(512);
        let tokens: Vec<u32> = (0..100).map(|at| at * 7 % 300).collect();
        let hidden = |kv_cache_dtype| {
            let decoder = load(model.path(), None, kv_cache_dtype).unwrap();
            let mut cache = decoder.new_cache(100).unwrap();
            let parts = tokens.chunks(30).map(|tokens| decoder.extend(tokens, &mut cache, &LoraStack::none()).unwrap());
            (decoder.kv_cache_dtype(), parts.collect::<Vec<_>>())
        };
        let (name, exact) = hidden(KvCacheDtype::Auto);
        assert_eq!(name, "f32");
        for (dtype, named, bounds) in [
            (KvCacheDtype::F32, "f32", 0.0..=0.0),
            (KvCacheDtype::F16, "f16", 1e-6..=1e-3),
            (KvCacheDtype::Q8_0, "q8_0", 1e-4..=1e-2),
        ] {
            let (name, found) = hidden(dtype);
            assert_eq!(name, named);
            for (found, exact) in found.iter().zip(&exact) {
                let error = relative_error(found, exact);
                assert!(bounds.contains(&error), "{name}: {error}");
            }
        }
    }

    #[test]
    fn auto_goes_by_the_products_and_what_cannot_be_is_refused() {
        let model = random_model(512);
        let quantize = Some("q8_0".parse().unwrap());
        let name = |quantize, dtype| load(model.path(), quantize, dtype).unwrap().kv_cache_dtype();
        assert_eq!(name(quantize, KvCacheDtype::Auto), "f16");
        assert_eq!(name(quantize, KvCacheDtype::F32), "f32");
        let Err(err) = load(&fixtures().join("models/qwen2"), None, KvCacheDtype::Q8_0) else { panic!("heads of 6") };
        assert_eq!(err.code(), Code::InvalidOptions);
        assert!(err.message().contains("kv_cache_dtype") && err.message().contains("32 numbers"), "{}", err.message());
    }
}
