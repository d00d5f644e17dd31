//! The names of tensors: Hugging Face's and GGUF's. Source: `tensor_mapping.py` of llama.cpp.

use crate::model::config::DecoderConfig;

/// Paths inside a layer: Hugging Face's and GGUF's.
const LAYER_PATHS: [(&str, &str); 12] = [
    ("self_attn.q_proj", "attn_q"),
    ("self_attn.k_proj", "attn_k"),
    ("self_attn.v_proj", "attn_v"),
    ("self_attn.qkv_proj", "attn_qkv"),
    ("self_attn.o_proj", "attn_output"),
    ("self_attn.q_norm", "attn_q_norm"),
    ("self_attn.k_norm", "attn_k_norm"),
    ("mlp.gate_proj", "ffn_gate"),
    ("mlp.up_proj", "ffn_up"),
    ("mlp.gate_up_proj", "ffn_up"),
    ("mlp.down_proj", "ffn_down"),
    ("mlp.gate", "ffn_gate_inp"),
];
/// The projections of experts, each one tensor for all of them.
const EXPERTS: [(&str, &str); 3] =
    [("gate_proj", "ffn_gate_exps"), ("up_proj", "ffn_up_exps"), ("down_proj", "ffn_down_exps")];
const OUTSIDE: [(&str, &str); 3] = [
    ("model.embed_tokens.weight", "token_embd.weight"),
    ("lm_head.weight", "output.weight"),
    ("model.norm.weight", "output_norm.weight"),
];

/// The names of one model's tensors.
pub(super) struct Names {
    paths: Vec<(&'static str, &'static str)>,
    experts: usize,
}

/// Where a tensor is: in one of GGUF's, the whole or one of as many equal parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) tensor: String,
    pub(super) part: Option<(usize, usize)>,
}

impl Names {
    pub(super) fn of(config: &DecoderConfig) -> Self {
        let (modules, norms) = (config.family.modules, config.family.norms);
        let norms = [
            (norms.attention.before, "attn_norm"),
            (norms.attention.after, "post_attention_norm"),
            (norms.mlp.before, "ffn_norm"),
            (norms.mlp.after, "post_ffw_norm"),
        ];
        let norms = norms.into_iter().filter_map(|(ours, theirs)| Some((ours?, theirs)));
        // Of two projections under one name, the one that the family has.
        let fused = |ours: &str| modules.gate_up.contains(&"mlp.gate_up_proj") && ours == "mlp.up_proj";
        let paths = LAYER_PATHS.into_iter().filter(|(ours, _)| !fused(ours)).chain(norms).collect();
        Names { paths, experts: config.experts.map_or(0, |experts| experts.count) }
    }

    /// Where Hugging Face's tensor is; under its own name where GGUF has none.
    pub(super) fn place(&self, name: &str) -> Place {
        if let Some((_, stored)) = OUTSIDE.iter().find(|(ours, _)| *ours == name) {
            return Place { tensor: (*stored).to_owned(), part: None };
        }
        self.place_in_layer(name).unwrap_or_else(|| Place { tensor: name.to_owned(), part: None })
    }

    fn place_in_layer(&self, name: &str) -> Option<Place> {
        let (layer, rest) = name.strip_prefix("model.layers.")?.split_once('.')?;
        let (path, kind) = rest.rsplit_once('.')?;
        if let Some((expert, projection)) = path.strip_prefix("mlp.experts.").and_then(|rest| rest.split_once('.')) {
            let (_, stored) = EXPERTS.iter().find(|(ours, _)| *ours == projection)?;
            let part = Some((expert.parse().ok()?, self.experts));
            return Some(Place { tensor: format!("blk.{layer}.{stored}.{kind}"), part });
        }
        let (_, stored) = self.paths.iter().find(|(ours, _)| *ours == path)?;
        Some(Place { tensor: format!("blk.{layer}.{stored}.{kind}"), part: None })
    }

    /// Hugging Face's tensors that one of GGUF's has; GGUF's name where there is none.
    pub(super) fn read_as(&self, stored: &str) -> Vec<String> {
        if let Some((name, _)) = OUTSIDE.iter().find(|(_, theirs)| *theirs == stored) {
            return vec![(*name).to_owned()];
        }
        let Some((layer, rest)) = stored.strip_prefix("blk.").and_then(|rest| rest.split_once('.')) else {
            return vec![stored.to_owned()];
        };
        let front = format!("model.layers.{layer}");
        let Some((path, kind)) = rest.rsplit_once('.') else { return vec![format!("{front}.{rest}")] };
        if let Some((projection, _)) = EXPERTS.iter().find(|(_, theirs)| *theirs == path) {
            let name = |expert| format!("{front}.mlp.experts.{expert}.{projection}.{kind}");
            return (0..self.experts).map(name).collect();
        }
        let path = self.paths.iter().find(|(_, theirs)| *theirs == path).map_or(path, |(ours, _)| ours);
        vec![format!("{front}.{path}.{kind}")]
    }
}
