//! The C ABI and nothing else: decode the arguments, call, encode the result.
//!
//! One file per noun, each function beside its documentation: `include/tailora.h` is generated from here
//! (`cargo xtask header`). Rules that hold for all of them:
//! - handles are tokens, looked up in [`handle`] and never dereferenced;
//! - bodies run in [`guard`], so no panic crosses;
//! - what a function gives out is NULL until it succeeds.
//!
//! The functions' safety contract is the header's text: pointers are NULL or point to what their type says, for as long
//! as the call (for callbacks' `user`: for as long as the callback may be called).
#![allow(unsafe_code)]
#![allow(clippy::missing_safety_doc)]

#[cfg(panic = "abort")]
compile_error!("the C ABI turns panics into TAILORA_ERR_INTERNAL; build with panic = \"unwind\"");

mod adapter;
mod aliases;
mod args;
mod batch;
mod cancel;
mod dataset;
mod docx;
mod error;
mod error_text;
mod evaluate;
mod exclusive;
mod guard;
mod handle;
#[cfg(feature = "panic-injection")]
mod injection;
mod library;
mod log;
mod model;
mod open_stream;
mod panic;
mod progress;
mod raise;
mod records;
mod registry;
mod session;
mod sets;
mod stack;
mod status;
mod stream;
mod text;
mod tokens;
mod train;
mod types;
mod worker;

pub use adapter::*;
pub use aliases::*;
pub use batch::*;
pub use cancel::*;
pub use dataset::*;
pub use docx::*;
pub use error::*;
pub use evaluate::*;
#[cfg(feature = "panic-injection")]
pub use injection::*;
pub use library::*;
pub use log::*;
pub use model::*;
pub use registry::*;
pub use session::*;
pub use status::*;
pub use stream::*;
pub use text::*;
pub use tokens::*;
pub use train::*;
pub use types::*;

/// Frees a handle of any type; NULL does nothing.
///
/// # Safety
/// None beyond `guard::run`'s, which is given no place to write to.
unsafe fn free<H: handle::Handle>(token: *mut H) -> tailora_status {
    // SAFETY: no error is asked for.
    unsafe { guard::run(std::ptr::null_mut(), || if token.is_null() { Ok(()) } else { handle::remove(token) }) }
}
