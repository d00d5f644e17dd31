//! Rows that are too long, cut by one rule: first the middle of the input, whose beginning and end matter most, down to a
//! quarter of what fits; then the end of the output, whose end of turn is then not trained, or the model would learn to
//! stop halfway. Role prompt and template stay whole.

use super::Row;
use crate::error::Result;
use crate::tokenize::{Example, PromptFormat, Tokenizer};
use serde::Serialize;

/// Stands where the input was cut.
const GAP: &str = "…";

/// A row that was cut, and what it lost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Truncated {
    /// Number of the record.
    pub row: usize,
    /// Line of the file.
    pub line: usize,
    /// Tokens before it was cut: of prompt, completion and end of turn.
    pub tokens: usize,
    /// Characters that the middle of the input lost.
    pub input_characters: usize,
    /// Tokens that the end of the output lost, the end of turn among them.
    pub output_tokens: usize,
}

/// Cuts `example`, which is that row, to `max_length` tokens. `None` if the role prompt and the template leave less than a
/// quarter to the input or to the output.
pub(super) fn truncate(
    format: &PromptFormat,
    system: Option<&str>,
    row: &Row,
    example: &Example,
    max_length: usize,
) -> Result<Option<(Example, Truncated)>> {
    let floor = (max_length / 4).max(1);
    let (prompt, completion) = example.ids.split_at(example.prompt_len);
    let least = format.prompt(system, "")?.len() + floor;
    let room = max_length.saturating_sub(completion.len()).max(least);
    let (mut ids, input_characters) = match prompt.len() <= room {
        true => (prompt.to_vec(), 0),
        false => match cut_middle(format, system, &row.input, room)? {
            Some(cut) => cut,
            None => return Ok(None),
        },
    };
    let (prompt_len, left) = (ids.len(), max_length.saturating_sub(ids.len()));
    let answer = &completion[..completion.len().saturating_sub(1)];
    let kept = match completion.len() <= left {
        true => completion,
        false => whole_characters(format.tokenizer(), &answer[..left.min(answer.len())]),
    };
    if kept.len() < floor.min(answer.len()) {
        return Ok(None);
    }
    ids.extend(kept);
    let output_tokens = completion.len() - kept.len();
    let (row, line, tokens) = (row.number, row.line, example.ids.len());
    Ok(Some((Example { ids, prompt_len }, Truncated { row, line, tokens, input_characters, output_tokens })))
}

/// The prompt with as much of the input's beginning and end as `room` tokens hold, and the characters left out between
/// them. The work depends on `room`, not on the input.
fn cut_middle(
    format: &PromptFormat,
    system: Option<&str>,
    input: &str,
    room: usize,
) -> Result<Option<(Vec<u32>, usize)>> {
    let starts: Vec<usize> = input.char_indices().map(|(at, _)| at).collect();
    let prompt_with = |kept: usize| {
        let (head, tail) = (kept.div_ceil(2), starts.len() - kept / 2);
        let end = starts.get(tail).copied().unwrap_or(input.len());
        format.prompt(system, &format!("{}{GAP}{}", &input[..starts.get(head).copied().unwrap_or(end)], &input[end..]))
    };
    let fitting = |kept: usize| Ok::<_, crate::error::Error>(Some(prompt_with(kept)?).filter(|ids| ids.len() <= room));
    let Some(mut best) = fitting(0)? else { return Ok(None) };
    let (mut fits, mut step) = (0, room);
    while step > 0 {
        match if fits + step < starts.len() { fitting(fits + step)? } else { None } {
            Some(ids) => {
                (best, fits) = (ids, fits + step);
                step *= 2;
            }
            None => {
                step /= 2;
                break;
            }
        }
    }
    while step > 0 {
        if fits + step < starts.len()
            && let Some(ids) = fitting(fits + step)?
        {
            (best, fits) = (ids, fits + step);
        }
        step /= 2;
    }
    Ok(Some((best, starts.len() - fits)))
}

/// Tokens without those at their end that are the beginning of a character.
fn whole_characters<'a>(tokenizer: &Tokenizer, ids: &'a [u32]) -> &'a [u32] {
    // A character has four bytes at most.
    for dropped in 0..ids.len().min(4) {
        let kept = &ids[..ids.len() - dropped];
        let last = &kept[kept.len().saturating_sub(4)..];
        let bytes: Vec<u8> = last.iter().flat_map(|&id| tokenizer.token_bytes(id).unwrap_or_default()).collect();
        if !ends_in_half_a_character(&bytes) {
            return kept;
        }
    }
    ids
}

fn ends_in_half_a_character(bytes: &[u8]) -> bool {
    let lead = bytes.iter().rev().take(4).position(|byte| byte & 0xC0 != 0x80);
    lead.is_some_and(|back| {
        let needed = match bytes[bytes.len() - 1 - back] {
            0xC0..=0xDF => 2,
            0xE0..=0xEF => 3,
            0xF0..=0xFF => 4,
            _ => 1,
        };
        back + 1 < needed
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_characters_are_known() {
        for (bytes, half) in [
            (&b""[..], false),
            (b"a", false),
            ("好".as_bytes(), false),
            (&"好".as_bytes()[..2], true),
            (&"a好".as_bytes()[..2], true),
            (&"😀".as_bytes()[..3], true),
            ("😀".as_bytes(), false),
            (&"é".as_bytes()[..1], true),
            (b"\x80\x80", false),
        ] {
            assert_eq!(ends_in_half_a_character(bytes), half, "{bytes:?}");
        }
    }
}
