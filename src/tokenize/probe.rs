//! What is tried on a tokenizer and on a chat template when they are loaded, so that what follows is known and not hoped.

use super::{ChatTemplate, Message, StreamDecoder, Tokenizer};
use crate::error::{Code, Error, Result};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

/// All texts below take milliseconds with a real tokenizer, of this thread's own time: others may be busy.
const LONGEST: Duration = Duration::from_secs(3);
/// Tokens for each byte; byte-level tokenizers have one.
const MOST_TOKENS: usize = 4;

/// Encodes and decodes known texts: of all kinds of characters, and long runs, on which patterns explode.
pub(super) fn tokenizer(tokenizer: &Tokenizer) -> std::result::Result<(), String> {
    let said = |err: Error| err.message().to_owned();
    let begun = worked();
    let printable: String = (' '..='~').collect();
    let mut texts = ["", "a", "\0\u{1}\t\r\n", "👩‍👩‍👧e\u{301}ﬁＡ½\u{200b}", "한국어 العربية русский ไทย हिन्दी"]
        .map(str::to_owned)
        .to_vec();
    texts.push(printable);
    for piece in ["a", "A", "0", " ", "\n", "_", "!", "aA1 ", "a!", "绩效评估,", "\u{fdd0}"] {
        texts.push(piece.repeat(300) + "!");
    }
    for text in &texts {
        for ids in [tokenizer.encode(text, false).map_err(said)?, tokenizer.encode_as_text(text).map_err(said)?] {
            if ids.len() > MOST_TOKENS * text.len() + MOST_TOKENS {
                return Err(format!("it makes {} tokens of {} bytes", ids.len(), text.len()));
            }
            if let Some(id) = ids.iter().find(|id| tokenizer.piece(**id).is_none()) {
                return Err(format!("it gives the id {id}, which is no token of it"));
            }
            tokenizer.decode(&ids, false);
        }
        if worked().saturating_sub(begun) > LONGEST {
            return Err(format!("known texts of a few hundred bytes take it more than {LONGEST:?}"));
        }
    }
    tokenizer.encode("a", true).map_err(said)?;
    decoder(tokenizer)
}

/// Time that this thread has run, where the system says it; elsewhere, time that has passed.
fn worked() -> Duration {
    static BEGUN: LazyLock<Instant> = LazyLock::new(Instant::now);
    // Linux: nanoseconds on a CPU, then others.
    let times = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let on_cpu = times.split(' ').next().and_then(|time| time.parse().ok());
    on_cpu.map_or_else(|| BEGUN.elapsed(), Duration::from_nanos)
}

/// What comes back from text must be that text's characters; a decoder of another kind of vocabulary gives others.
fn decoder(tokenizer: &Tokenizer) -> std::result::Result<(), String> {
    let said = |err: Error| err.message().to_owned();
    let unknown = tokenizer.encode_as_text("\u{10FFFD}").map_err(said)?;
    for text in ["hello world", "é 年"] {
        let ids = tokenizer.encode(text, false).map_err(said)?;
        let has_bytes = unknown.len() > 1;
        if !has_bytes && ids.iter().any(|id| unknown.contains(id)) {
            continue;
        }
        let mut stream = StreamDecoder::new(tokenizer);
        let mut decoded: String = ids.iter().filter_map(|id| stream.push(*id)).collect();
        decoded.extend(stream.finish());
        let mut shown = decoded.to_lowercase();
        shown.retain(|c| !c.is_whitespace());
        // A vocabulary may lack characters, and normalizers drop accents; they do not make others of them.
        if shown.chars().any(|c| !text.contains(c) && !"e\u{301}".contains(c)) || (shown.is_empty() && !ids.is_empty())
        {
            return Err(format!("its decoder makes {decoded:?} of the tokens of {text:?}"));
        }
    }
    Ok(())
}

const SYSTEM: &str = "Instruction0";
const USER: &str = "Question0";
const ANSWER: &str = "Answer0";

/// What is learnt about a template by rendering conversations whose words are known.
#[derive(Debug)]
pub(super) struct Learnt {
    /// Whether it writes a turn of the role `system`.
    pub takes_system: bool,
    /// Whether it wants contents as lists of parts.
    pub in_parts: bool,
    /// What it writes before an answer and only then: it has no generation prompt of its own.
    pub header: String,
    /// White space that it writes between the prompt and the answer (Llama 2: one space).
    pub before_answer: String,
    /// The token that it writes after an answer.
    pub end_of_turn: Option<u32>,
    /// A conversation as it writes it: what ends turns and begins them stands in it.
    pub turns: Option<String>,
    pub notes: Vec<String>,
}

impl Default for Learnt {
    fn default() -> Self {
        Learnt {
            takes_system: true,
            in_parts: false,
            header: String::new(),
            before_answer: String::new(),
            end_of_turn: None,
            turns: None,
            notes: Vec::new(),
        }
    }
}

/// How often words stand in a text; a list printed as such counts as no text.
fn times(text: &str, words: &[&str]) -> Vec<usize> {
    let printed = ["'text': ", "\"text\": "].iter().any(|mark| text.contains(mark));
    words.iter().map(|word| if printed { 0 } else { text.matches(word).count() }).collect()
}

impl Learnt {
    /// # Errors
    /// `Tokenizer` if the template cannot render one question, or leaves the question out.
    pub fn new(template: &ChatTemplate, tokenizer: &Tokenizer) -> Result<Self> {
        let mut learnt = Learnt::default();
        let prompt = learnt.question(template)?;
        learnt.role_prompt(template);
        // Not the last answer: there some templates put markup for thinking.
        let turns = [learnt.turn("user", USER), learnt.turn("assistant", ANSWER), learnt.turn("user", USER)];
        learnt.turns = template.render(&turns, false).ok();
        learnt.answer(template, tokenizer, &prompt)?;
        Ok(learnt)
    }

    fn turn(&self, role: &str, content: &str) -> Message {
        Message::new(role, content).in_parts(self.in_parts)
    }

    /// The prompt of a question, which stands in it once; as a text, or else as parts.
    fn question(&mut self, template: &ChatTemplate) -> Result<String> {
        let render = |in_parts: bool| template.render(&[Message::new("user", USER).in_parts(in_parts)], true);
        let as_text = render(false);
        let found = |text: &Result<String>| text.as_ref().map_or(0, |text| times(text, &[USER])[0]);
        if found(&as_text) == 0 {
            let as_parts = render(true);
            if found(&as_parts) > 0 {
                self.in_parts = true;
                self.once(found(&as_parts));
                return as_parts;
            }
        }
        let count = found(&as_text);
        let text = as_text?;
        if count == 0 {
            return Err(Error::new(
                Code::Tokenizer,
                "the chat template leaves the question out of the prompt, as a text and as a list of parts; give the model \
                 the template it was tuned with (chat_template.jinja)",
            ));
        }
        self.once(count);
        Ok(text)
    }

    fn once(&mut self, count: usize) {
        if count > 1 {
            self.notes.push(format!("the chat template writes the question {count} times into the prompt"));
        }
    }

    /// A refusal, a role that is left out without a word (Phi-3) or written twice: then it goes before the question.
    fn role_prompt(&mut self, template: &ChatTemplate) {
        let counts =
            |turns: &[Message]| template.render(turns, true).map_or(vec![0, 0], |text| times(&text, &[SYSTEM, USER]));
        let own = counts(&[self.turn("system", SYSTEM), self.turn("user", USER)]);
        let joined = counts(&[self.turn("user", &super::template::joined(Some(SYSTEM), USER))]);
        self.takes_system = own == [1, 1] || (own[0] > 0 && own[1] > 0 && joined != [1, 1]);
        let used = if self.takes_system { &own } else { &joined };
        if used[0] != 1 {
            self.notes.push(format!("the chat template writes the role prompt {} times into the prompt", used[0]));
        }
    }

    /// What comes before an answer and after it.
    fn answer(&mut self, template: &ChatTemplate, tokenizer: &Tokenizer, prompt: &str) -> Result<()> {
        let user = self.turn("user", USER);
        let unprompted = template.render(std::slice::from_ref(&user), false).unwrap_or_default();
        let prompts = unprompted != prompt;
        let whole = template.render(&[user, self.turn("assistant", ANSWER)], false).unwrap_or_default();
        let Some((before, after)) = whole.rsplit_once(ANSWER) else {
            self.notes.push("the chat template writes no answer, so its end of turn is not known".to_owned());
            return Ok(());
        };
        match before.strip_prefix(prompt) {
            Some(between) if between.trim().is_empty() => self.before_answer = between.to_owned(),
            Some(between) if !prompts && !between.contains(ANSWER) => {
                self.header = between.to_owned();
                self.notes.push(format!(
                    "the chat template has no generation prompt; prompts end with {between:?}, which it writes before an answer"
                ));
            }
            _ if !prompts => self.notes.push(
                "the chat template has no generation prompt, and what it writes before an answer is not known"
                    .to_owned(),
            ),
            _ => {}
        }
        let ids = tokenizer.encode_continuation(after.trim_start())?;
        self.end_of_turn = ids.first().copied().filter(|&id| tokenizer.is_special(id) || tokenizer.is_added(id));
        Ok(())
    }
}
