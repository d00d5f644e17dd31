//! Source to tokens, with Jinja2's rules for white space: `trim_blocks`, `lstrip_blocks`, no newline at the very end,
//! and every line end a `\n`.

use super::Fault;
use std::borrow::Cow;

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Token {
    /// Text between tags.
    Data(String),
    PrintBegin,
    PrintEnd,
    BlockBegin,
    BlockEnd,
    Name(String),
    Text(String),
    Int(i64),
    Float(f64),
    Symbol(&'static str),
}

/// Longest first.
const SYMBOLS: [&str; 27] = [
    "//", "**", "==", "!=", ">=", "<=", "+", "-", "/", "*", "%", "~", "[", "]", "(", ")", "{", "}", ">", "<", "=", ".",
    ":", "|", ",", ";", "!",
];

/// All tokens with their lines.
pub(super) fn tokens(source: &str) -> Result<Vec<(Token, usize)>, Fault> {
    let source = unix_lines(source);
    let source = source.strip_suffix('\n').unwrap_or(&source);
    let mut lexer = Lexer { rest: source, line: 1, at_line_start: true, tokens: Vec::new() };
    while !lexer.rest.is_empty() {
        lexer.data()?;
    }
    Ok(lexer.tokens)
}

/// Every line end as `\n`, whatever the file has.
pub(in crate::tokenize) fn unix_lines(text: &str) -> Cow<'_, str> {
    match text.contains('\r') {
        true => Cow::Owned(text.replace("\r\n", "\n").replace('\r', "\n")),
        false => Cow::Borrowed(text),
    }
}

struct Lexer<'a> {
    rest: &'a str,
    line: usize,
    /// Whether what was consumed last ended with a line break.
    at_line_start: bool,
    tokens: Vec<(Token, usize)>,
}

impl<'a> Lexer<'a> {
    fn take(&mut self, bytes: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at(bytes);
        self.line += taken.bytes().filter(|&byte| byte == b'\n').count();
        if !taken.is_empty() {
            self.at_line_start = taken.ends_with('\n');
        }
        self.rest = rest;
        taken
    }

    fn push(&mut self, token: Token) {
        self.tokens.push((token, self.line));
    }

    fn fault(&self, message: impl Into<String>) -> Fault {
        Fault::new(self.line, message)
    }

    /// Text up to the next tag, and that tag.
    fn data(&mut self) -> Result<(), Fault> {
        let opens = |at: &usize| matches!(self.rest.as_bytes().get(at + 1), Some(b'{' | b'%' | b'#'));
        let Some(at) = self.rest.match_indices('{').map(|(at, _)| at).find(opens) else {
            let text = self.take(self.rest.len());
            self.text(text);
            return Ok(());
        };
        let kind = self.rest.as_bytes()[at + 1];
        let sign = self.rest.as_bytes().get(at + 2).copied().filter(|sign| matches!(sign, b'-' | b'+'));
        let whole = &self.rest[..at];
        let line_start = whole.rfind('\n').map(|newline| newline + 1).or(self.at_line_start.then_some(0));
        let text = match (sign, kind, line_start) {
            (Some(b'-'), ..) => whole.trim_end(),
            (None, b'%' | b'#', Some(start)) if whole[start..].chars().all(char::is_whitespace) => &whole[..start],
            _ => whole,
        };
        self.text(text);
        self.take(at);
        self.take(2 + usize::from(sign.is_some()));
        match kind {
            b'#' => self.comment(),
            b'{' => self.tag(Token::PrintBegin, Token::PrintEnd, "}}"),
            _ => match word(self.rest, "raw").and_then(raw_tag_end) {
                Some(after) => self.raw(after),
                None => self.tag(Token::BlockBegin, Token::BlockEnd, "%}"),
            },
        }
    }

    fn text(&mut self, text: &str) {
        if !text.is_empty() {
            self.push(Token::Data(text.to_owned()));
        }
    }

    fn comment(&mut self) -> Result<(), Fault> {
        let end = self.rest.find("#}").ok_or_else(|| self.fault("a comment `{#` has no end `#}`"))?;
        let sign = self.rest[..end].bytes().last();
        self.take(end + 2);
        self.after_tag(sign, true);
        Ok(())
    }

    /// White space after a tag: all of it after `-`, one line break after a block (unless `+`).
    fn after_tag(&mut self, sign: Option<u8>, trims: bool) {
        match sign {
            Some(b'-') => drop(self.take(self.rest.len() - self.rest.trim_start().len())),
            Some(b'+') => {}
            _ if trims && self.rest.starts_with('\n') => drop(self.take(1)),
            _ => {}
        }
    }

    /// `{% raw %}` up to `{% endraw %}`; `after` is what follows the opening tag's end, and its sign.
    fn raw(&mut self, after: (&'a str, Option<u8>)) -> Result<(), Fault> {
        self.take(self.rest.len() - after.0.len());
        self.after_tag(after.1, false);
        for (at, _) in self.rest.match_indices("{%") {
            let inside = &self.rest[at + 2..];
            let sign = inside.bytes().next().filter(|sign| matches!(sign, b'-' | b'+'));
            let inside = &inside[usize::from(sign.is_some())..];
            let Some((after, end_sign)) = word(inside, "endraw").and_then(raw_tag_end) else { continue };
            let whole = &self.rest[..at];
            let line_start = whole.rfind('\n').map(|newline| newline + 1).or(self.at_line_start.then_some(0));
            let text = match (sign, line_start) {
                (Some(b'-'), _) => whole.trim_end(),
                (None, Some(start)) if whole[start..].chars().all(char::is_whitespace) => &whole[..start],
                _ => whole,
            };
            self.text(text);
            self.take(self.rest.len() - after.len());
            self.after_tag(end_sign, true);
            return Ok(());
        }
        Err(self.fault("`{% raw %}` has no `{% endraw %}`"))
    }

    /// The inside of a tag, up to `end`.
    fn tag(&mut self, begin: Token, close: Token, end: &'static str) -> Result<(), Fault> {
        self.push(begin);
        let mut open: Vec<&'static str> = Vec::new();
        loop {
            let spaces = self.rest.len() - self.rest.trim_start().len();
            self.take(spaces);
            let sign = self.rest.bytes().next().filter(|sign| *sign == b'-' || (*sign == b'+' && end == "%}"));
            let ends = self.rest.starts_with(end)
                || (sign.is_some() && self.rest.get(1..).is_some_and(|rest| rest.starts_with(end)));
            if open.is_empty() && ends {
                self.push(close);
                let sign = sign.filter(|_| !self.rest.starts_with(end));
                self.take(end.len() + usize::from(sign.is_some()));
                self.after_tag(sign, end == "%}");
                return Ok(());
            }
            let Some(first) = self.rest.chars().next() else {
                return Err(self.fault(format!("a tag has no end `{end}`")));
            };
            let token = match first {
                '"' | '\'' => self.string(first)?,
                '0'..='9' => self.number()?,
                c if c == '_' || c.is_alphabetic() => {
                    let length = self.rest.find(|c: char| c != '_' && !c.is_alphanumeric()).unwrap_or(self.rest.len());
                    Token::Name(self.take(length).to_owned())
                }
                _ => self.symbol(first, &mut open)?,
            };
            self.push(token);
        }
    }

    fn symbol(&mut self, first: char, open: &mut Vec<&'static str>) -> Result<Token, Fault> {
        let Some(symbol) = SYMBOLS.into_iter().find(|symbol| self.rest.starts_with(symbol)) else {
            return Err(self.fault(format!("the character {first:?} has no meaning in a tag")));
        };
        match symbol {
            "(" | "[" | "{" => open.push(symbol),
            ")" | "]" | "}" => {
                let expected = match open.pop() {
                    Some("(") => ")",
                    Some("[") => "]",
                    Some(_) => "}",
                    None => return Err(self.fault(format!("`{symbol}` closes nothing"))),
                };
                if expected != symbol {
                    return Err(self.fault(format!("`{symbol}` stands where `{expected}` is expected")));
                }
            }
            _ => {}
        }
        self.take(symbol.len());
        Ok(Token::Symbol(symbol))
    }

    fn string(&mut self, quote: char) -> Result<Token, Fault> {
        let mut escaped = false;
        let end = self.rest[1..].char_indices().find(|&(_, c)| {
            let ends = c == quote && !escaped;
            escaped = c == '\\' && !escaped;
            ends
        });
        let Some((length, _)) = end else { return Err(self.fault("a string has no closing quote")) };
        let text = unescape(&self.rest[1..=length]).map_err(|what| self.fault(what))?;
        self.take(length + 2);
        Ok(Token::Text(text))
    }

    fn number(&mut self) -> Result<Token, Fault> {
        let digits = |text: &str, radix: u32| -> usize {
            text.find(|c: char| !c.is_digit(radix) && c != '_').unwrap_or(text.len())
        };
        for (prefix, radix) in [("0x", 16), ("0X", 16), ("0o", 8), ("0O", 8), ("0b", 2), ("0B", 2)] {
            if let Some(rest) = self.rest.strip_prefix(prefix) {
                let text = self.take(2 + digits(rest, radix))[2..].replace('_', "");
                return i64::from_str_radix(&text, radix)
                    .map(Token::Int)
                    .map_err(|_| self.fault("a number is too large"));
            }
        }
        let mut length = digits(self.rest, 10);
        let mut is_float = false;
        if let Some(rest) = self.rest[length..].strip_prefix('.')
            && rest.starts_with(|c: char| c.is_ascii_digit())
        {
            length += 1 + digits(rest, 10);
            is_float = true;
        }
        if let Some(rest) = self.rest[length..].strip_prefix(['e', 'E']) {
            let signed = rest.strip_prefix(['+', '-']).unwrap_or(rest);
            if signed.starts_with(|c: char| c.is_ascii_digit()) {
                length += 1 + (rest.len() - signed.len()) + digits(signed, 10);
                is_float = true;
            }
        }
        let text = self.take(length).replace('_', "");
        let too_large = |_| self.fault("a number is too large");
        match is_float {
            true => text.parse().map(Token::Float).map_err(|_| self.fault("a number cannot be read")),
            false => text.parse().map(Token::Int).map_err(too_large),
        }
    }
}

/// What follows `word` at the beginning of a tag.
fn word<'a>(text: &'a str, word: &str) -> Option<&'a str> {
    text.trim_start().strip_prefix(word).filter(|rest| !rest.starts_with(|c: char| c == '_' || c.is_alphanumeric()))
}

/// What follows the end of a tag that ends here, and the end's sign.
fn raw_tag_end(text: &str) -> Option<(&str, Option<u8>)> {
    let text = text.trim_start();
    let sign = text.bytes().next().filter(|sign| matches!(sign, b'-' | b'+'));
    Some((text[usize::from(sign.is_some())..].strip_prefix("%}")?, sign))
}

/// Python's escapes in string literals.
fn unescape(text: &str) -> Result<String, String> {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        match chars.next() {
            Some('n') => out.push('\n'),
            Some('t') => out.push('\t'),
            Some('r') => out.push('\r'),
            Some('a') => out.push('\u{7}'),
            Some('b') => out.push('\u{8}'),
            Some('f') => out.push('\u{c}'),
            Some('v') => out.push('\u{b}'),
            Some('\n') => {}
            Some(c @ ('\\' | '\'' | '"')) => out.push(c),
            Some(c @ ('x' | 'u' | 'U')) => {
                let count = match c {
                    'x' => 2,
                    'u' => 4,
                    _ => 8,
                };
                let digits: String = chars.by_ref().take(count).collect();
                let code = u32::from_str_radix(&digits, 16).ok().filter(|_| digits.len() == count);
                let c = code.and_then(char::from_u32);
                out.push(c.ok_or_else(|| format!("`\\{digits}` in a string is no character"))?);
            }
            Some(c @ '0'..='7') => {
                let mut code = c.to_digit(8).unwrap_or_default();
                for _ in 0..2 {
                    let Some(digit) = chars.clone().next().and_then(|c| c.to_digit(8)) else { break };
                    code = code * 8 + digit;
                    chars.next();
                }
                out.extend(char::from_u32(code));
            }
            // As in Python, an escape without a meaning stands for itself.
            Some(c) => out.extend(['\\', c]),
            None => out.push('\\'),
        }
    }
    Ok(out)
}
