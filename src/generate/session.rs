//! A conversation partner: a base model through a stack of adapters.

use super::GenerateOptions;
use super::banned::Banned;
use super::constraint::{Compiler, Constraint};
use super::context::Context;
use super::engine::{Engine, Slot};
use super::generation::Generation;
use super::messages;
use super::output::Output;
use super::sampler::Sampler;
use super::sequence::Sequence;
use super::stream::Stream;
use super::top::Top;
use crate::adapter::Adapter;
use crate::control::{Cancel, Control};
use crate::error::{Code, Error, Result};
use crate::language_model::LanguageModel;
use crate::model::LoraStack;
use crate::options::{Options, invalid};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// What a session is made with.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SessionOptions {
    /// Most tokens of prompt and completion together; at most, and by default, what the model was made for. Its KV cache grows with use up to this.
    #[schemars(range(min = 2))]
    pub context_length: Option<usize>,
    /// Role prompt of every call that does not bring its own.
    pub system: Option<String>,
}

impl Options for SessionOptions {
    const NAME: &'static str = "session";
}

/// An adapter on a session, with the factor on its deltas.
#[derive(Debug, Clone)]
pub struct Attached {
    /// The adapter.
    pub adapter: Adapter,
    /// 1 is the adapter as trained, 0 the base.
    pub scale: f64,
}

/// What a text is held to.
#[derive(Clone)]
pub(super) struct Held {
    constraint: Option<Constraint>,
    banned: Option<Arc<Banned>>,
}

/// A base model through a stack of adapters. Exclusive: one call at a time. Two sessions of one model may have
/// different adapters at the same time.
pub struct Session {
    model: LanguageModel,
    system: Option<String>,
    attached: Vec<Attached>,
    pub(super) engine: Engine,
    pub(super) context: Context,
}

impl Session {
    /// A session without adapters.
    pub fn new(model: &LanguageModel, options: &SessionOptions) -> Result<Self> {
        options.validate()?;
        let most = model.decoder().config().max_position_embeddings;
        let limit = options.context_length.unwrap_or(most);
        if limit > most {
            return Err(invalid("context_length", limit, &format!("at most {most}, the model's own")));
        }
        let engine = Engine::new(model);
        Ok(Session {
            model: model.clone(),
            system: options.system.clone(),
            attached: Vec::new(),
            context: engine.context(&LoraStack::none(), limit)?,
            engine,
        })
    }

    /// The model.
    pub fn model(&self) -> &LanguageModel {
        &self.model
    }

    /// The adapters, in the order they were attached.
    pub fn attached(&self) -> &[Attached] {
        &self.attached
    }

    /// Puts an adapter on top of the stack. Its deltas add to those of the others; the order does not matter to the
    /// result, but for rounding.
    pub fn attach(&mut self, adapter: &Adapter, scale: f64) -> Result<()> {
        self.model.check_adapter(adapter)?;
        let mut attached = self.attached.clone();
        attached.push(Attached { adapter: adapter.clone(), scale });
        self.set_stack(attached)
    }

    /// Takes an adapter off the stack; attached several times, the last one goes.
    pub fn detach(&mut self, adapter: &Adapter) -> Result<()> {
        let index = self.last_place_of(adapter)?;
        let mut attached = self.attached.clone();
        attached.remove(index);
        self.set_stack(attached)
    }

    /// Gives an adapter of the stack another scale, where it is; attached several times, the last one.
    pub fn set_scale(&mut self, adapter: &Adapter, scale: f64) -> Result<()> {
        let index = self.last_place_of(adapter)?;
        let mut attached = self.attached.clone();
        attached[index].scale = scale;
        self.set_stack(attached)
    }

    /// Takes all adapters off and forgets what was read.
    pub fn reset(&mut self) -> Result<()> {
        self.set_stack(Vec::new())
    }

    /// Generates a text for `prompt`. `on_text` gets its pieces, whole characters, as they become certain; their
    /// concatenation is the text. A request to stop, by `cancel` or by `on_text`, ends the text early and is not an
    /// error.
    pub fn generate(
        &mut self,
        prompt: &str,
        options: &GenerateOptions,
        cancel: &Cancel,
        on_text: &mut dyn FnMut(&str) -> Control,
    ) -> Result<Generation> {
        options.validate()?;
        options.check_one()?;
        let ids = self.prompt_ids(prompt, options)?;
        let held = match self.held_to(options, cancel) {
            Err(err) if err.code() == Code::Cancelled => return Ok(Generation::cancelled(ids.len(), options.seed)),
            other => other?,
        };
        let empty = self.context.fresh();
        let context = std::mem::replace(&mut self.context, empty);
        let mut stream = self.open(context, ids, options, held)?;
        while let Some(piece) = stream.next(cancel)? {
            if on_text(&piece) == Control::Stop {
                stream.cancel();
            }
        }
        let generation = stream.summary();
        self.context = stream.into_context();
        Ok(generation)
    }

    /// Opens a text that is generated as it is asked for. The stream stays what it is, whatever becomes of the session.
    pub fn stream(&mut self, prompt: &str, options: &GenerateOptions) -> Result<Stream> {
        options.validate()?;
        options.check_one()?;
        let ids = self.prompt_ids(prompt, options)?;
        let held = self.held_to(options, &Cancel::new())?;
        let reusable = self.context.shared_prefix(&ids) > 0;
        let context = if reusable { self.context.fork() } else { self.context.fresh() };
        self.open(context, ids, options, held)
    }

    /// The tokens of a prompt, as the model will see it.
    ///
    /// # Errors
    /// `ContextLength` for texts that no tokenizing makes fit.
    pub(crate) fn prompt_ids(&self, prompt: &str, options: &GenerateOptions) -> Result<Vec<u32>> {
        let format = self.model.format();
        let system = options.system.as_deref().or(self.system.as_deref());
        let turns = options.messages.iter().flatten().map(|message| message.content.len());
        let bytes = prompt.len() + system.map_or(0, str::len) + turns.sum::<usize>();
        super::room::check_bytes(bytes, self.context.limit(), format.tokenizer())?;
        if options.raw {
            return format.raw(prompt);
        }
        let Some(messages) = &options.messages else { return format.prompt(system, prompt) };
        let (system, turns) = messages::turns(messages, prompt, system)?;
        format.conversation(system, &turns)
    }

    fn open(&self, context: Context, prompt: Vec<u32>, options: &GenerateOptions, held: Held) -> Result<Stream> {
        let sequence = self.sequence(prompt, options, held, context.limit())?;
        Ok(Stream::new(self.engine.clone(), Slot::new(sequence, context)))
    }

    /// A text after a prompt, in a context of `limit` tokens.
    pub(super) fn sequence(
        &self,
        prompt: Vec<u32>,
        options: &GenerateOptions,
        Held { constraint, banned }: Held,
        limit: usize,
    ) -> Result<Sequence> {
        let vocab_size = self.model.decoder().config().vocab_size;
        if let Some((id, _)) = options.logit_biases().find(|(id, _)| *id as usize >= vocab_size) {
            let expected = format!("token ids below {vocab_size}, the size of the model's vocabulary");
            return Err(invalid("logit_bias", format!("of token {id}"), &expected));
        }
        let tokenizer = self.model.format().tokenizer();
        let sampler = Sampler::new(options, tokenizer);
        let output = match constraint {
            None => Output::text(tokenizer, &options.stop),
            Some(_) => Output::document(),
        };
        let sequence = Sequence::new(prompt, options, sampler, self.model.end_tokens(), output, constraint, limit)?;
        let sequence = sequence.guarded(banned.as_ref(), tokenizer);
        Ok(sequence.listing(Top::new(options.top_logprobs, tokenizer)))
    }

    /// Compiled once for all texts of a call.
    pub(super) fn held_to(&self, options: &GenerateOptions, cancel: &Cancel) -> Result<Held> {
        let compile = |form| Compiler::new(self.model.vocabulary()?).compile(form, cancel);
        let constraint = options.form().map(compile).transpose()?;
        Ok(Held { constraint, banned: Banned::new(&options.banned)?.map(Arc::new) })
    }

    /// The first of some texts that is a whole one under the options' grammar, of any length.
    pub(crate) fn first_whole<T: AsRef<str>>(
        &self,
        texts: impl IntoIterator<Item = T>,
        options: &GenerateOptions,
        cancel: &Cancel,
    ) -> Result<Option<T>> {
        let Some(constraint) = self.held_to(options, cancel)?.constraint else { return Ok(None) };
        let tokenizer = self.model.format().tokenizer();
        for text in texts {
            cancel.check()?;
            let mut constraint = constraint.clone();
            if constraint.replay(&tokenizer.encode_as_text(text.as_ref())?)? && constraint.way_out(0).is_some() {
                return Ok(Some(text));
            }
        }
        Ok(None)
    }

    fn last_place_of(&self, adapter: &Adapter) -> Result<usize> {
        let place = self.attached.iter().rposition(|attached| attached.adapter.is(adapter));
        place.ok_or_else(|| {
            let message = format!("the adapter {} is not attached to this session", adapter.name());
            Error::new(Code::InvalidArgument, message).with("adapter", adapter.name())
        })
    }

    fn set_stack(&mut self, attached: Vec<Attached>) -> Result<()> {
        let mut lora = LoraStack::none();
        for Attached { adapter, scale } in &attached {
            adapter.attach_to(&mut lora, *scale)?;
        }
        // Old blocks hold what other adapters made.
        self.context = self.engine.context(&lora, self.context.limit())?;
        self.attached = attached;
        Ok(())
    }

    /// Whether a generation for `prompt` would find some of it read already.
    #[cfg(test)]
    pub(crate) fn context_shares(&self, prompt: &str, options: &GenerateOptions) -> bool {
        self.prompt_ids(prompt, options).is_ok_and(|ids| self.context.shared_prefix(&ids) > 0)
    }
}
