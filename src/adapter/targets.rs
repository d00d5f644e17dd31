//! Which linear layers an adapter sits on, with which rank and scaling: PEFT's `check_target_module_exists`.

use super::base::AdapterBase;
use super::config::LoraConfig;
use super::modules::TargetModules;
use super::patterns::ModulePattern;
use crate::error::{Code, Error, Result};
use crate::model::{Module, ModuleTable, Site};

/// What PEFT could adapt beyond the decoder layers, and this library does not.
const NOT_ADAPTABLE: [&str; 2] = ["lm_head", "model.embed_tokens"];

/// One adapted linear layer and what the config says about it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct TargetedSite {
    pub(crate) site: Site,
    pub(crate) r: usize,
    /// PEFT's `scaling`: alpha / r, or alpha / √r with `use_rslora`.
    pub(crate) scaling: f64,
}

/// `target_modules` or `exclude_modules`, compiled.
enum Matcher<'a> {
    AllLinear,
    Names(&'a [String]),
    Regex(ModulePattern),
}

/// How a name matched: PEFT restricts to `layers_to_transform` only those that matched by their end.
#[derive(PartialEq)]
enum Match {
    No,
    ByEnd,
    Exactly,
}

impl<'a> Matcher<'a> {
    fn new(modules: &'a TargetModules) -> Result<Self> {
        Ok(match modules {
            TargetModules::List(names) => Matcher::Names(names),
            TargetModules::Pattern(_) if modules.is_all_linear() => Matcher::AllLinear,
            TargetModules::Pattern(pattern) => Matcher::Regex(ModulePattern::full(pattern)?),
        })
    }

    fn find(&self, module: &str) -> Result<Match> {
        Ok(match self {
            Matcher::AllLinear if NOT_ADAPTABLE.contains(&module) => Match::No,
            Matcher::AllLinear => Match::Exactly,
            Matcher::Regex(pattern) if pattern.is_match(module)? => Match::Exactly,
            Matcher::Regex(_) => Match::No,
            Matcher::Names(names) if names.iter().any(|name| name == module) => Match::Exactly,
            Matcher::Names(names) if names.iter().any(|name| ends_with_part(module, name)) => Match::ByEnd,
            Matcher::Names(_) => Match::No,
        })
    }
}

/// `module.endswith("." + name)`.
fn ends_with_part(module: &str, name: &str) -> bool {
    module.strip_suffix(name).is_some_and(|front| front.ends_with('.'))
}

/// The layers that `layers_to_transform` and `layers_pattern` leave.
struct LayerFilter<'a> {
    layers: Option<&'a [usize]>,
    patterns: Vec<ModulePattern>,
}

impl<'a> LayerFilter<'a> {
    fn new(config: &'a LoraConfig) -> Result<Self> {
        let layers = config.layers_to_transform.as_deref().filter(|layers| !layers.is_empty());
        let patterns =
            config.layers_pattern.iter().map(|pattern| ModulePattern::layers(pattern)).collect::<Result<_>>()?;
        Ok(LayerFilter { layers, patterns })
    }

    fn keeps(&self, site: Site, module: &str) -> Result<bool> {
        let Some(layers) = self.layers else { return Ok(true) };
        if self.patterns.is_empty() {
            return Ok(layers.contains(&site.layer));
        }
        for pattern in &self.patterns {
            if pattern.is_match(module)? {
                return Ok(pattern.layer_index(module)?.is_some_and(|index| layers.contains(&index)));
            }
        }
        Ok(false)
    }
}

impl LoraConfig {
    /// The linear layers of `base` that this config adapts, in the order of the forward pass; never empty.
    pub(crate) fn targeted_sites(&self, base: &AdapterBase) -> Result<Vec<TargetedSite>> {
        let targets = Matcher::new(&self.target_modules)?;
        let excluded =
            self.exclude_modules.as_ref().filter(|modules| !modules.is_empty()).map(Matcher::new).transpose()?;
        let is_excluded = |module: &str| -> Result<bool> {
            excluded.as_ref().map_or(Ok(false), |excluded| Ok(excluded.find(module)? != Match::No))
        };
        let filter = LayerFilter::new(self)?;
        let (ranks, alphas) = (self.rank_pattern.compile()?, self.alpha_pattern.compile()?);

        for module in NOT_ADAPTABLE {
            if targets.find(module)? != Match::No && !is_excluded(module)? {
                return Err(Error::new(
                    Code::Unsupported,
                    format!("target_modules {} includes {module}; only the linear layers of the decoder layers can be adapted ({}), so leave {module} out", self.target_modules, module_names(base.modules)),
                )
                .with("module", module));
            }
        }
        let mut sites = Vec::new();
        for site in base.sites().iter() {
            let module = site.path();
            let keep = match targets.find(&module)? {
                Match::No => false,
                Match::Exactly => true,
                Match::ByEnd => filter.keeps(site, &module)?,
            };
            if !keep || is_excluded(&module)? {
                continue;
            }
            let r = ranks.get(&module)?.copied().unwrap_or(self.r);
            let alpha = alphas.get(&module)?.copied().unwrap_or(self.lora_alpha);
            let divisor = if self.use_rslora { (r as f64).sqrt() } else { r as f64 };
            let scaling = alpha / divisor;
            if !(scaling as f32).is_finite() {
                return Err(Error::new(
                    Code::AdapterFormat,
                    format!("the alpha {alpha} of {module} is beyond what f32 can hold; expected an ordinary number"),
                )
                .with("module", module));
            }
            sites.push(TargetedSite { site, r, scaling });
        }
        if sites.is_empty() {
            return Err(Error::new(
                Code::AdapterMismatch,
                format!(
                    "target_modules {} matches no linear layer of the base model {}, whose {} decoder layers have {}",
                    self.target_modules,
                    base.name,
                    base.num_hidden_layers,
                    module_names(base.modules)
                ),
            )
            .with("target_modules", &self.target_modules));
        }
        Ok(sites)
    }

    /// Refuses what matches nothing: PEFT ignores it, and a typing error goes unseen.
    pub(crate) fn check_every_name_matches(&self, base: &AdapterBase) -> Result<()> {
        match self.unmatched(base)?.first() {
            None => Ok(()),
            Some((option, name)) => Err(Error::new(
                Code::InvalidOptions,
                format!(
                    "{option} has `{name}`, which matches {}; expected {} or a full name such as model.layers.0.self_attn.q_proj",
                    nothing(option),
                    module_names(base.modules)
                ),
            )
            .with("option", option)
            .with("module", name)),
        }
    }

    /// What in the config of an adapter made elsewhere says nothing about this base.
    pub(super) fn notes(&self, base: &AdapterBase) -> Result<Vec<String>> {
        let note = |(key, name): (&str, String)| {
            let name: String = name.chars().take(80).collect();
            format!(
                "{key} in adapter_config.json has `{name}`, which matches {}; as in PEFT it has no effect",
                nothing(key)
            )
        };
        Ok(self.unmatched(base)?.into_iter().map(note).collect())
    }

    /// Key and name, pattern or layer for everything in the config that matches nothing.
    fn unmatched(&self, base: &AdapterBase) -> Result<Vec<(&'static str, String)>> {
        let all: Vec<String> = base.sites().iter().map(Site::path).chain(NOT_ADAPTABLE.map(str::to_owned)).collect();
        let targets = Matcher::new(&self.target_modules)?;
        let mut targeted = Vec::new();
        for module in &all {
            if targets.find(module)? != Match::No || NOT_ADAPTABLE.contains(&&**module) {
                targeted.push(module.as_str());
            }
        }
        let mut found = Vec::new();
        if let TargetModules::List(names) = &self.target_modules {
            let matches = |name: &&String| all.iter().any(|module| module == *name || ends_with_part(module, name));
            found.extend(names.iter().filter(|name| !matches(name)).map(|name| ("target_modules", name.clone())));
        }
        match &self.exclude_modules {
            Some(TargetModules::List(names)) => {
                let matches =
                    |name: &&String| targeted.iter().any(|module| module == *name || ends_with_part(module, name));
                found.extend(names.iter().filter(|name| !matches(name)).map(|name| ("exclude_modules", name.clone())));
            }
            Some(excluded @ TargetModules::Pattern(text)) if !text.is_empty() => {
                let pattern = Matcher::new(excluded)?;
                if none(&targeted, |module| Ok(pattern.find(module)? != Match::No))? {
                    found.push(("exclude_modules", text.clone()));
                }
            }
            _ => {}
        }
        for (key, patterns) in [
            ("rank_pattern", self.rank_pattern.iter().map(|(pattern, _)| pattern).collect::<Vec<_>>()),
            ("alpha_pattern", self.alpha_pattern.iter().map(|(pattern, _)| pattern).collect()),
        ] {
            for text in patterns {
                let pattern = ModulePattern::key(text)?;
                if none(&targeted, |module| pattern.is_match(module))? {
                    found.push((key, text.to_owned()));
                }
            }
        }
        let layers = self.layers_to_transform.iter().flatten().filter(|layer| **layer >= base.num_hidden_layers);
        found.extend(layers.map(|layer| ("layers_to_transform", layer.to_string())));
        Ok(found)
    }
}

/// Whether `matches` says no to every module.
fn none(modules: &[&str], matches: impl Fn(&str) -> Result<bool>) -> Result<bool> {
    for module in modules {
        if matches(module)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// What a name or a pattern of a key should have matched.
fn nothing(key: &str) -> &'static str {
    match key {
        "target_modules" => "no linear layer of the base model",
        "layers_to_transform" => "no layer of the base model",
        _ => "none of the layers in target_modules",
    }
}

fn module_names(modules: &'static ModuleTable) -> String {
    modules.modules().map(Module::name).collect::<Vec<_>>().join(", ")
}
