//! What a text claims, how sure the model is of each claim, and which fields of the case it owes it to: for reports, and
//! for training, which learns from its own rows how often such claims are right.

mod calibrating;
mod fit;
mod isotonic;
mod kind;
mod lexicon;
mod likeness;
mod numbers;
mod recalibrating;
mod reliability;
mod sentences;
mod signals;

pub(crate) use calibrating::{Labelled, calibrate};
pub(crate) use kind::Kind;
pub(crate) use lexicon::Lexicon;
pub(crate) use likeness::Said;
pub(crate) use numbers::{numbers, plain, plain_numbers, quotations};
pub(crate) use recalibrating::{Recalibrated, Reviewed, recalibrate};
pub(crate) use reliability::wilson;
pub(crate) use sentences::sentences;
pub(crate) use signals::{TOP, VARIANTS, signals};
