//! The grammar as llguidance takes it. What can never end is left out, so that no mask leads into it.

use super::automaton::NEVER;
use super::grammar::text_expression;
use super::paths::Costs;
use super::rules::{Grammar, Rule, Symbol};
use crate::error::{Code, Error, Result};
use crate::tokenize::first_line;
use llguidance::api::{GrammarInit, SkipSpec};
use llguidance::derivre::RegexAst;
use llguidance::earley::lexerspec::{LexemeClass, LexerSpec};
use llguidance::earley::{Grammar as EngineGrammar, SymIdx, SymbolProps};
use std::collections::HashMap;

/// The engine counts symbols in 16 bits.
const MOST_SYMBOLS: usize = 60_000;

/// Lists of up to so many further items are written out.
const WRITTEN_OUT: usize = 4;

/// `form`: what the grammar was made of, for messages.
pub(super) fn grammar_init(grammar: &Grammar, costs: &Costs, form: &str) -> Result<GrammarInit> {
    let wrong = |err: &dyn std::fmt::Display| {
        Error::new(Code::Schema, format!("the {form} cannot be compiled: {}", first_line(&err.to_string())))
    };
    let mut spec = LexerSpec::new().map_err(|err| wrong(&err))?;
    let class = spec.setup_lexeme_class_with_skip(SkipSpec::once(RegexAst::NoMatch)).map_err(|err| wrong(&err))?;
    let mut translation = Translation {
        grammar,
        costs,
        out: EngineGrammar::new(None),
        spec,
        class,
        lexemes: HashMap::new(),
        powers: HashMap::new(),
    };
    translation.run().map_err(|err| wrong(&err))?;
    Ok(GrammarInit::Internal(translation.out, translation.spec))
}

struct Translation<'a> {
    grammar: &'a Grammar,
    costs: &'a Costs,
    out: EngineGrammar,
    spec: LexerSpec,
    class: LexemeClass,
    /// Free texts by their lengths: one lexeme for all of the same.
    lexemes: HashMap<(usize, Option<usize>), SymIdx>,
    /// What repeats → (exactly so often, at most so often).
    powers: HashMap<(SymIdx, bool, usize), SymIdx>,
}

type Engine<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

impl Translation<'_> {
    fn run(&mut self) -> Engine<()> {
        let start = self.symbol();
        self.out.sym_props_mut(start).is_start = true;
        let symbols: Vec<SymIdx> = self.grammar.rules.iter().map(|_| self.symbol()).collect();
        let at = |symbol: Symbol| symbols[symbol as usize];
        let ends = |symbol: &Symbol| self.costs.of(*symbol) != NEVER;
        for (index, rule) in self.grammar.rules.iter().enumerate() {
            let symbol = symbols[index];
            if !ends(&(index as Symbol)) {
                continue;
            }
            match rule {
                Rule::Pending => {}
                Rule::Literal(bytes) => self.terminal(symbol, RegexAst::ByteLiteral(bytes.to_vec()))?,
                Rule::Pattern(pattern) => self.terminal(symbol, self.grammar.patterns[*pattern].ast.clone())?,
                Rule::Text { min, max } => {
                    let lexeme = match self.lexemes.get(&(*min, *max)) {
                        Some(&lexeme) => lexeme,
                        None => {
                            let lexeme = self.symbol();
                            self.terminal(lexeme, text_expression(*min, *max))?;
                            self.lexemes.insert((*min, *max), lexeme);
                            lexeme
                        }
                    };
                    self.out.add_rule(symbol, vec![lexeme]).map_err(boxed)?;
                }
                Rule::Sequence(parts) => {
                    self.out.add_rule(symbol, parts.iter().map(|part| at(*part)).collect()).map_err(boxed)?;
                }
                Rule::Choice(choices) => {
                    for choice in choices.iter().filter(|choice| ends(choice)) {
                        self.out.add_rule(symbol, vec![at(*choice)]).map_err(boxed)?;
                    }
                }
                Rule::List { item, min, max } => {
                    let comma = self.symbol();
                    self.terminal(comma, RegexAst::Literal(",".to_string()))?;
                    let further = self.symbol();
                    self.out.add_rule(further, vec![comma, at(*item)]).map_err(boxed)?;
                    let needed = self.exactly(further, min - 1)?;
                    let more = match max {
                        None => self.any_number(further)?,
                        Some(max) => self.at_most(further, max - min)?,
                    };
                    self.out.add_rule(symbol, vec![at(*item), needed, more]).map_err(boxed)?;
                }
            }
        }
        self.out.add_rule(start, vec![at(self.grammar.start)]).map_err(boxed)?;
        if self.out.num_symbols() > MOST_SYMBOLS {
            return Err(format!("it makes {} rules; expected at most {MOST_SYMBOLS}", self.out.num_symbols()).into());
        }
        Ok(())
    }

    fn symbol(&mut self) -> SymIdx {
        self.out.fresh_symbol_ext("s", SymbolProps { grammar_id: self.class, ..Default::default() })
    }

    fn terminal(&mut self, symbol: SymIdx, ast: RegexAst) -> Engine<()> {
        let lexeme = self.spec.add_greedy_lexeme(String::new(), ast, false, None, usize::MAX).map_err(boxed)?;
        self.out.make_terminal(symbol, lexeme, &self.spec).map_err(boxed)
    }

    fn any_number(&mut self, of: SymIdx) -> Engine<SymIdx> {
        let many = self.symbol();
        self.out.add_rule(many, Vec::new()).map_err(boxed)?;
        self.out.add_rule(many, vec![many, of]).map_err(boxed)?;
        Ok(many)
    }

    /// By halves, so that a long list takes few rules.
    fn exactly(&mut self, of: SymIdx, times: usize) -> Engine<SymIdx> {
        if times == 1 {
            return Ok(of);
        }
        if let Some(&known) = self.powers.get(&(of, true, times)) {
            return Ok(known);
        }
        let parts = match times {
            0 => Vec::new(),
            _ => {
                let half = self.exactly(of, times / 2)?;
                let mut parts = vec![half, half];
                parts.extend((times % 2 == 1).then_some(of));
                parts
            }
        };
        let symbol = self.symbol();
        self.out.add_rule(symbol, parts).map_err(boxed)?;
        self.powers.insert((of, true, times), symbol);
        Ok(symbol)
    }

    /// Blocks of `WRITTEN_OUT`, then what is left: each number in just one way.
    fn at_most(&mut self, of: SymIdx, times: usize) -> Engine<SymIdx> {
        if let Some(&known) = self.powers.get(&(of, false, times)) {
            return Ok(known);
        }
        let mut choices = Vec::new();
        if times <= WRITTEN_OUT {
            choices.extend((0..=times).map(|count| vec![of; count]));
        } else {
            let block = self.exactly(of, WRITTEN_OUT)?;
            let (blocks, left) = (times / WRITTEN_OUT, times % WRITTEN_OUT);
            let (fewer, all) = (self.at_most(block, blocks - 1)?, self.exactly(block, blocks)?);
            let (below, last) = (self.at_most(of, WRITTEN_OUT - 1)?, self.at_most(of, left)?);
            choices.extend([vec![fewer, below], vec![all, last]]);
        }
        let symbol = self.symbol();
        for choice in choices {
            self.out.add_rule(symbol, choice).map_err(boxed)?;
        }
        self.powers.insert((of, false, times), symbol);
        Ok(symbol)
    }
}

fn boxed(err: impl std::fmt::Display) -> Box<dyn std::error::Error + Send + Sync> {
    first_line(&err.to_string()).into()
}
