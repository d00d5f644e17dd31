//! Patterns of a schema (ECMA 262, and .NET's where they agree) as expressions of the grammar engine. What the engine
//! cannot hold is refused by its name.

/// More repetitions than this, multiplied through all that are nested, make too many states.
const MOST_REPETITIONS: u64 = 20_000;

/// Parentheses may nest this deep.
const MAX_NESTING: usize = 100;

/// White space that every engine takes for it.
const SPACE: &str = r"\t\n\r ";

/// All that some engine (ECMA 262, .NET) takes for white space.
const ANY_SPACE: &str =
    r"\t\n\x0B\x0C\r \x{85}\x{A0}\x{1680}\x{2000}-\x{200A}\x{2028}\x{2029}\x{202F}\x{205F}\x{3000}\x{FEFF}";

/// The same pattern in the engine's syntax, or why there is none.
pub(super) fn translated(pattern: &str) -> Result<String, String> {
    let mut scanner = Scanner {
        chars: pattern.chars().collect(),
        at: 0,
        out: String::with_capacity(pattern.len()),
        groups: Vec::new(),
    };
    scanner.run()?;
    let syntax = regex_syntax::ParserBuilder::new().nest_limit(MAX_NESTING as u32 * 2).build().parse(&scanner.out);
    let syntax = syntax.map_err(|err| format!("is no regular expression: {}", last_line(&err)))?;
    let repetitions = repetitions(&syntax);
    if repetitions > MOST_REPETITIONS {
        return Err(format!("repeats {repetitions} times in all; expected at most {MOST_REPETITIONS}"));
    }
    Ok(scanner.out)
}

/// Whether an expression of the engine's has control characters of its own, besides tabs and line breaks; sets of characters
/// may have them anyhow.
pub(super) fn has_control_characters(expression: &str) -> bool {
    fn literals(syntax: &regex_syntax::hir::Hir) -> bool {
        use regex_syntax::hir::HirKind;
        match syntax.kind() {
            HirKind::Literal(literal) => {
                literal.0.iter().any(|byte| byte.is_ascii_control() && !matches!(byte, b'\t' | b'\n' | b'\r'))
            }
            HirKind::Repetition(repetition) => literals(&repetition.sub),
            HirKind::Capture(capture) => literals(&capture.sub),
            HirKind::Concat(parts) | HirKind::Alternation(parts) => parts.iter().any(literals),
            _ => false,
        }
    }
    regex_syntax::parse(expression).is_ok_and(|syntax| literals(&syntax))
}

fn last_line(err: &impl ToString) -> String {
    let text = err.to_string();
    text.lines().last().unwrap_or_default().trim_start_matches("error: ").to_string()
}

struct Scanner {
    chars: Vec<char>,
    at: usize,
    out: String,
    groups: Vec<usize>,
}

impl Scanner {
    fn run(&mut self) -> Result<(), String> {
        while let Some(char) = self.next() {
            match char {
                '\\' => self.escape(false)?,
                '[' => self.class()?,
                '.' => self.out.push_str(r"[^\n\r\x{2028}\x{2029}]"),
                '(' => self.group()?,
                ')' => {
                    self.groups.pop();
                    self.out.push(')');
                }
                // A brace that repeats nothing stands for itself.
                '{' if !self.is_repetition() => self.out.push_str(r"\{"),
                '}' if !self.out.ends_with(|c: char| c.is_ascii_digit() || c == ',') => self.out.push_str(r"\}"),
                other => self.out.push(other),
            }
        }
        Ok(())
    }

    fn next(&mut self) -> Option<char> {
        let char = self.chars.get(self.at).copied();
        self.at += usize::from(char.is_some());
        char
    }

    fn rest(&self) -> String {
        self.chars[self.at..].iter().take(24).collect()
    }

    fn is_repetition(&self) -> bool {
        let inside: String = self.chars[self.at..].iter().take_while(|c| c.is_ascii_digit() || **c == ',').collect();
        let closed = self.chars.get(self.at + inside.len()) == Some(&'}');
        closed && inside.starts_with(|c: char| c.is_ascii_digit()) && inside.matches(',').count() <= 1
    }

    fn group(&mut self) -> Result<(), String> {
        self.groups.push(self.at);
        if self.groups.len() > MAX_NESTING {
            return Err(format!("nests deeper than {MAX_NESTING} groups"));
        }
        let rest = self.rest();
        for (start, name) in [
            ("?=", "a lookahead"),
            ("?!", "a negative lookahead"),
            ("?<=", "a lookbehind"),
            ("?<!", "a negative lookbehind"),
            ("?>", "an atomic group"),
        ] {
            if rest.starts_with(start) {
                return Err(format!("has {name} (`({start}`), which no grammar can hold; write it without"));
            }
        }
        if rest.starts_with("?<") || rest.starts_with("?P<") {
            // The name is for nobody here, and some have meanings to the engine.
            while self.next().is_some_and(|c| c != '>') {}
            self.out.push_str("(?:");
        } else {
            self.out.push('(');
        }
        Ok(())
    }

    fn class(&mut self) -> Result<(), String> {
        if self.rest().starts_with("^]") {
            self.at += 2;
            self.out.push_str(r"[\s\S]");
            return Ok(());
        }
        if self.rest().starts_with(']') {
            self.at += 1;
            self.out.push_str(r"[^\s\S]");
            return Ok(());
        }
        self.out.push('[');
        if self.chars.get(self.at) == Some(&'^') {
            self.at += 1;
            self.out.push('^');
        }
        loop {
            match self.next() {
                None => return Err("has a `[` without its `]`".to_string()),
                Some(']') => break,
                Some('\\') => self.escape(true)?,
                // Set operators of the engine, plain characters in ECMA 262.
                Some(char @ ('[' | '&' | '~')) => {
                    self.out.push('\\');
                    self.out.push(char);
                }
                Some(char) => self.out.push(char),
            }
        }
        self.out.push(']');
        Ok(())
    }

    fn escape(&mut self, in_class: bool) -> Result<(), String> {
        let Some(char) = self.next() else { return Err("ends in a lone `\\`".to_string()) };
        let set = |inside: &str, negated: bool| match (in_class, negated) {
            (true, false) => inside.to_string(),
            (true, true) => format!("[^{inside}]"),
            (false, false) => format!("[{inside}]"),
            (false, true) => format!("[^{inside}]"),
        };
        let text = match char {
            'd' | 'D' => set("0-9", char == 'D'),
            'w' | 'W' => set("0-9A-Za-z_", char == 'W'),
            's' => set(SPACE, false),
            'S' => set(ANY_SPACE, true),
            'b' if in_class => r"\x08".to_string(),
            'b' | 'B' => {
                return Err("has a word boundary (`\\b`), which no grammar can hold; write it without".to_string());
            }
            '1'..='9' | 'k' if !in_class => {
                return Err(format!("has a back reference (`\\{char}`), which no grammar can hold; write it without"));
            }
            'A' => "^".to_string(),
            'z' | 'Z' => "$".to_string(),
            '0' => r"\x00".to_string(),
            'x' => self.hex(2)?,
            'u' if self.chars.get(self.at) == Some(&'{') => r"\u".to_string(),
            'u' => self.hex(4)?,
            'c' => {
                let control = self.next().filter(char::is_ascii_alphabetic).ok_or("has a `\\c` without a letter")?;
                format!(r"\x{:02X}", control as u32 % 32)
            }
            'p' | 'P' if self.chars.get(self.at) == Some(&'{') => {
                let name: String = self.chars[self.at..].iter().take_while(|c| **c != '}').chain(&['}']).collect();
                self.at = (self.at + name.chars().count()).min(self.chars.len());
                format!("\\{char}{name}")
            }
            'n' | 'r' | 't' | 'f' | 'v' => format!("\\{char}"),
            other if other.is_ascii_alphanumeric() => return Err(format!("has the unknown escape `\\{other}`")),
            other if other.is_ascii_punctuation() => format!("\\{other}"),
            other => other.to_string(),
        };
        self.out.push_str(&text);
        Ok(())
    }

    fn hex(&mut self, digits: usize) -> Result<String, String> {
        let text: String = self.chars[self.at..].iter().take(digits).collect();
        let value = u32::from_str_radix(&text, 16).ok().filter(|_| text.len() == digits);
        let value = value.ok_or_else(|| format!("has an escape that wants {digits} hex digits"))?;
        self.at += digits;
        if (0xD800..0xDC00).contains(&value) && self.rest().starts_with("\\u") {
            self.at += 2;
            let low: String = self.chars[self.at..].iter().take(4).collect();
            if let Ok(low) = u32::from_str_radix(&low, 16)
                && (0xDC00..0xE000).contains(&low)
            {
                self.at += 4;
                return Ok(format!(r"\x{{{:X}}}", 0x10000 + ((value - 0xD800) << 10) + (low - 0xDC00)));
            }
        }
        if char::from_u32(value).is_none() {
            return Err(format!("has half of a surrogate pair (`\\u{text}`)"));
        }
        Ok(format!(r"\x{{{value:X}}}"))
    }
}

/// How many copies of something an expression makes at most, all counted repetitions multiplied. The parser bounds the
/// depth.
fn repetitions(syntax: &regex_syntax::hir::Hir) -> u64 {
    use regex_syntax::hir::HirKind;
    match syntax.kind() {
        HirKind::Repetition(repetition) => {
            let most = u64::from(repetition.max.unwrap_or(repetition.min).max(1));
            most.saturating_mul(repetitions(&repetition.sub))
        }
        HirKind::Capture(capture) => repetitions(&capture.sub),
        HirKind::Concat(parts) | HirKind::Alternation(parts) => {
            parts.iter().map(repetitions).fold(0, u64::saturating_add).max(1)
        }
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ecma_means_is_what_the_engine_gets() {
        for (pattern, engine) in [
            (r"^\d+$", r"^[0-9]+$"),
            (r"[\d\-x]", r"[0-9\-x]"),
            (r"\u9AD8|\/", r"\x{9AD8}|\/"),
            (r"\uD83D\uDE00", r"\x{1F600}"),
            (r"(?<year>\d{4})", r"(?:[0-9]{4})"),
            (r"a{,2}", r"a\{,2}"),
            (r"[[a&&b]", r"[\[a\&\&b]"),
            (r"^\p{L}{2,3}[\P{Lu}x]", r"^\p{L}{2,3}[\P{Lu}x]"),
        ] {
            assert_eq!(translated(pattern).unwrap(), engine, "{pattern}");
        }
    }

    #[test]
    fn control_characters_are_seen_where_they_stand() {
        for pattern in [r"^\x01$", r"a\u0000", r"(x|y\x7f)+", r"[\x1f]{2}", r"\cA\cB", r"a[\b]"] {
            assert!(has_control_characters(&translated(pattern).unwrap()), "{pattern}");
        }
        for pattern in [r"^\t\n\r$", r"[^a]", r"[\x00-\x1f]", r"\s", "高", r"."] {
            assert!(!has_control_characters(&translated(pattern).unwrap()), "{pattern}");
        }
    }

    #[test]
    fn what_no_grammar_holds_is_named() {
        for (pattern, part) in [
            (r"^(?!x)", "negative lookahead"),
            (r"(?<=x)y", "lookbehind"),
            (r"(a)\1", "back reference"),
            (r"\bword", "word boundary"),
            ("(", "regular expression"),
            ("[a", "without its `]`"),
            ("((a{1,300}){1,300}){1,300}", "repeats"),
            (&"(".repeat(200), "nests deeper"),
            (r"\uD83D", "surrogate"),
        ] {
            let err = translated(pattern).unwrap_err();
            assert!(err.contains(part), "{pattern}: {err}");
            assert!(!err.contains('\n'));
        }
    }
}
