//! Which layers see a window of keys alone.

use super::bad;
use super::fields::Fields;
use crate::error::{Code, Error, Result};
use crate::model::families::{Family, Windows};

/// By layer: the number of keys that a query sees, itself included; `None` for all before it.
pub(super) fn read(
    fields: Fields<'_>,
    family: &Family,
    rotates: &[bool],
    notes: &mut Vec<String>,
) -> Result<Vec<Option<usize>>> {
    let layers = rotates.len();
    let (window, used) = (fields.size("sliding_window")?, fields.flag("use_sliding_window")?);
    let (first, types) = (fields.size("max_window_layers")?.unwrap_or(28), fields.texts("layer_types")?);
    let pattern = fields.size("sliding_window_pattern")?.filter(|every| *every > 0);
    if family.windows == Windows::Never {
        let slides = types.is_some_and(|types| types.iter().any(|kind| *kind != "full_attention"));
        if window.is_some() || slides {
            let of = family.model_type;
            notes.push(format!("{of} models have no sliding window; the one in config.json was not used"));
        }
        return Ok(vec![None; layers]);
    }
    let always = matches!(family.windows, Windows::All | Windows::AllBut(_));
    let window = window.filter(|_| always || used.unwrap_or(false));
    if window == Some(0) {
        return Err(bad("`sliding_window` is 0; expected at least 1"));
    }
    if matches!(family.windows, Windows::All | Windows::AllIfUsed) {
        if window.is_some() && types.is_some_and(|types| types.contains(&"full_attention")) {
            let of = family.model_type;
            notes.push(format!("{of} models have their window in every layer; `layer_types` was not used"));
        }
        return Ok(vec![window; layers]);
    }
    let Some(types) = types else {
        let slides = |layer: usize| match family.windows {
            Windows::AllBut(every) => !(layer + 1).is_multiple_of(pattern.unwrap_or(every)),
            Windows::WithoutRope => !rotates[layer],
            _ => layer >= first,
        };
        return Ok((0..layers).map(|layer| window.filter(|_| slides(layer))).collect());
    };
    if types.len() != layers {
        return Err(bad(format!("`layer_types` has {} entries; expected {layers}", types.len())));
    }
    types.into_iter().map(|kind| of_type(kind, window)).collect()
}

fn of_type(kind: &str, window: Option<usize>) -> Result<Option<usize>> {
    match (kind, window) {
        ("full_attention", _) => Ok(None),
        ("sliding_attention", Some(window)) => Ok(Some(window)),
        ("sliding_attention", None) => Err(bad("`layer_types` has sliding_attention, but no sliding window is in use")),
        _ => Err(Error::new(Code::Unsupported, format!("layer type `{kind}` is not supported"))),
    }
}
