//! The words of a Lark grammar.

use crate::error::Result;

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Token {
    /// A rule's or terminal's name.
    Name(String),
    /// `"…"`, unescaped; whether case is ignored.
    Text(String, bool),
    /// `/…/`, as it is written; whether case is ignored.
    Regex(String, bool),
    Number(u32),
    /// `%ignore`, without the sign.
    Directive(String),
    /// One of `: | ( ) [ ] ? * + ~ .. . -> , ! {`.
    Sign(&'static str),
    LineEnd,
}

/// The longer ones first.
const SIGNS: [&str; 17] = ["->", "..", ":", "|", "(", ")", "[", "]", "?", "*", "+", "~", ".", ",", "!", "{", "}"];

/// The tokens, each with its line.
pub(super) fn tokens(source: &str) -> Result<Vec<(Token, usize)>> {
    let mut tokens = Vec::new();
    for (index, line) in source.lines().enumerate() {
        let number = index + 1;
        let mut rest = line;
        loop {
            rest = rest.trim_start();
            if rest.is_empty() || rest.starts_with("//") {
                break;
            }
            let (token, after) = token(rest).map_err(|why| super::wrong(number, &why))?;
            tokens.push((token, number));
            rest = after;
        }
        tokens.push((Token::LineEnd, number));
    }
    Ok(tokens)
}

fn token(text: &str) -> Result<(Token, &str), String> {
    let first = text.chars().next().unwrap_or_default();
    if first == '"' {
        let (inside, rest) = delimited(&text[1..], '"').ok_or("has a `\"` that is not closed on its line")?;
        let (ignores_case, rest) = flags(rest)?;
        return Ok((Token::Text(unescaped(inside)?, ignores_case), rest));
    }
    if first == '/' {
        let (inside, rest) = delimited(&text[1..], '/').ok_or("has a `/` that is not closed on its line")?;
        let (ignores_case, rest) = flags(rest)?;
        return Ok((Token::Regex(inside.to_owned(), ignores_case), rest));
    }
    if first == '_' || first.is_alphabetic() {
        let (name, rest) = word(text);
        return Ok((Token::Name(name.to_owned()), rest));
    }
    if first.is_ascii_digit() {
        let (number, rest) = word(text);
        let number = number.parse().map_err(|_| format!("has the number `{number}`; expected a whole one"))?;
        return Ok((Token::Number(number), rest));
    }
    if let Some(name) = text.strip_prefix('%') {
        let (name, rest) = word(name);
        return Ok((Token::Directive(name.to_owned()), rest));
    }
    match SIGNS.into_iter().find(|sign| text.starts_with(sign)) {
        Some(sign) => Ok((Token::Sign(sign), &text[sign.len()..])),
        None => Err(format!("has a `{first}` that means nothing in Lark")),
    }
}

fn word(text: &str) -> (&str, &str) {
    text.split_at(text.find(|c: char| c != '_' && !c.is_alphanumeric()).unwrap_or(text.len()))
}

/// What stands before an unescaped `end`, and what behind it.
fn delimited(text: &str, end: char) -> Option<(&str, &str)> {
    let mut escaped = false;
    let at = text.char_indices().find(|&(_, c)| {
        let found = c == end && !escaped;
        escaped = c == '\\' && !escaped;
        found
    });
    at.map(|(at, _)| (&text[..at], &text[at + end.len_utf8()..]))
}

/// The flags behind a text or an expression: only `i` has a meaning that a grammar can hold.
fn flags(text: &str) -> Result<(bool, &str), String> {
    let (flags, rest) = text.split_at(text.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(text.len()));
    match flags {
        "" => Ok((false, rest)),
        "i" => Ok((true, rest)),
        other => Err(format!("has the flags `{other}`; expected none, or `i`")),
    }
}

fn unescaped(text: &str) -> Result<String, String> {
    let mut out = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        let escape = chars.next().unwrap_or_default();
        let digits = match escape {
            'n' => {
                out.push('\n');
                continue;
            }
            't' => {
                out.push('\t');
                continue;
            }
            'r' => {
                out.push('\r');
                continue;
            }
            'x' => 2,
            'u' => 4,
            'U' => 8,
            other if other.is_alphanumeric() => return Err(format!("has the unknown escape `\\{other}`")),
            other => {
                out.push(other);
                continue;
            }
        };
        let code: String = chars.by_ref().take(digits).collect();
        let c = u32::from_str_radix(&code, 16).ok().and_then(char::from_u32);
        out.push(c.ok_or_else(|| format!("has the escape `\\{escape}{code}`, which is no character"))?);
    }
    Ok(out)
}
