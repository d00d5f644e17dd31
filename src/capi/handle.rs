//! The handle table: what the host holds is a token, looked up here and never dereferenced.
//!
//! A token is `tag | generation | slot`. The tag is the type's; the generation changes whenever a slot is freed, so a
//! token that was freed, is of another type, or was never given out finds nothing. The top byte of a token is a tag
//! that no user-space pointer has on the platforms we run on, so a host that dereferences one faults at once.
//! Entries are `Arc`s: a call holds its own clone, hence freeing during a call is safe and free order does not matter.

use super::error_text::ErrorText;
use super::exclusive::Exclusive;
use super::open_stream::OpenStream;
use super::types::*;
use crate::adapter::Adapter;
use crate::control::Cancel;
use crate::dataset::Dataset;
use crate::error::{Code, Error, Result};
use crate::generate::Session;
use crate::language_model::LanguageModel;
use crate::registry::Registry;
use std::any::Any;
use std::sync::{Arc, PoisonError, RwLock};

#[cfg(not(target_pointer_width = "64"))]
compile_error!("handles need 64-bit pointers: tag, generation and slot share one");

const SLOT_BITS: u32 = 24;
const GENERATION_BITS: u32 = 32;
const TAG_SHIFT: u32 = SLOT_BITS + GENERATION_BITS;

/// A type of the header and what stands behind its handles.
pub(super) trait Handle {
    /// The name in messages.
    const NAME: &'static str;
    /// The token's top byte; unique, never 0 and never 0xFF.
    const TAG: u8;
    /// What the table holds.
    type Object: Send + Sync + 'static;
}

macro_rules! handles {
    ($($handle:ident = $tag:literal, $name:literal, $object:ty;)*) => {
        $(impl Handle for $handle {
            const NAME: &'static str = $name;
            const TAG: u8 = $tag;
            type Object = $object;
        })*
        const NAMES: &[(u8, &str)] = &[$(($tag, $name)),*];
    };
}

handles! {
    tailora_error = 0x51, "error", ErrorText;
    tailora_cancel = 0x52, "cancel", Cancel;
    tailora_model = 0x53, "model", LanguageModel;
    tailora_adapter = 0x54, "adapter", Adapter;
    tailora_dataset = 0x55, "dataset", Dataset;
    tailora_session = 0x56, "session", Exclusive<Session>;
    tailora_stream = 0x57, "stream", OpenStream;
    tailora_registry = 0x58, "registry", Registry;
}

struct Slot {
    generation: u32,
    entry: Option<Entry>,
}

struct Entry {
    tag: u8,
    object: Arc<dyn Any + Send + Sync>,
}

#[derive(Default)]
struct Table {
    slots: Vec<Slot>,
    vacant: Vec<u32>,
    live: u64,
}

static TABLE: RwLock<Table> = RwLock::new(Table { slots: Vec::new(), vacant: Vec::new(), live: 0 });

/// Puts `object` into the table and gives the token out.
pub(super) fn insert<H: Handle>(object: H::Object) -> Result<*mut H> {
    let entry = Entry { tag: H::TAG, object: Arc::new(object) };
    // No code of ours panics under this lock; a poisoned one would still hold a consistent table.
    let mut table = TABLE.write().unwrap_or_else(PoisonError::into_inner);
    let index = match table.vacant.pop() {
        Some(index) => index as usize,
        None if table.slots.len() < 1 << SLOT_BITS => {
            table.slots.push(Slot { generation: 1, entry: None });
            table.slots.len() - 1
        }
        None => {
            return Err(Error::new(Code::OutOfMemory, format!("{} handles are live; free some", 1u32 << SLOT_BITS)));
        }
    };
    let Some(slot) = table.slots.get_mut(index) else {
        return Err(Error::new(Code::Internal, "the handle table lost a slot"));
    };
    slot.entry = Some(entry);
    let generation = slot.generation;
    table.live += 1;
    let token = (usize::from(H::TAG) << TAG_SHIFT) | ((generation as usize) << SLOT_BITS) | index;
    Ok(std::ptr::without_provenance_mut(token))
}

/// The object behind `handle`; the clone keeps it alive for as long as the caller needs it.
pub(super) fn get<H: Handle>(handle: *const H) -> Result<Arc<H::Object>> {
    let token = handle.addr();
    let (generation, index) = split::<H>(token)?;
    let table = TABLE.read().unwrap_or_else(PoisonError::into_inner);
    let object = table
        .slots
        .get(index)
        .filter(|slot| slot.generation == generation)
        .and_then(|slot| slot.entry.as_ref())
        .filter(|entry| entry.tag == H::TAG)
        .map(|entry| Arc::clone(&entry.object))
        .ok_or_else(|| freed::<H>(token))?;
    drop(table);
    object.downcast().map_err(|_| Error::new(Code::Internal, "a handle's tag and its object differ"))
}

/// Takes `handle` out of the table. The object goes when the last call that uses it ends.
pub(super) fn remove<H: Handle>(handle: *const H) -> Result<()> {
    let token = handle.addr();
    let (generation, index) = split::<H>(token)?;
    let mut guard = TABLE.write().unwrap_or_else(PoisonError::into_inner);
    let table = &mut *guard;
    let slot = table.slots.get_mut(index).filter(|slot| slot.generation == generation);
    let entry = slot.and_then(|slot| {
        let entry = slot.entry.take_if(|entry| entry.tag == H::TAG)?;
        // A slot whose generations are used up is retired: an old token must never come true again.
        if let Some(next) = slot.generation.checked_add(1) {
            slot.generation = next;
            table.vacant.push(index as u32);
        }
        table.live -= 1;
        Some(entry)
    });
    // Dropping may take long (unmapping weights) and must not happen under the lock.
    drop(guard);
    entry.map(drop).ok_or_else(|| freed::<H>(token))
}

/// How many handles were given out and not freed.
pub(super) fn live() -> u64 {
    TABLE.read().unwrap_or_else(PoisonError::into_inner).live
}

fn split<H: Handle>(token: usize) -> Result<(u32, usize)> {
    let tag = (token >> TAG_SHIFT) as u8;
    if token == 0 {
        return Err(Error::new(Code::InvalidHandle, format!("the {} handle is NULL", H::NAME)).with("type", H::NAME));
    }
    if tag != H::TAG {
        let found = match NAMES.iter().find(|(known, _)| *known == tag) {
            Some((_, other)) => format!("is a handle of type {other}"),
            None => "was never given out by this library".to_string(),
        };
        let message = format!("{token:#018x} {found}; expected a handle of type {}", H::NAME);
        return Err(Error::new(Code::InvalidHandle, message).with("type", H::NAME));
    }
    Ok(((token >> SLOT_BITS) as u32, token & ((1 << SLOT_BITS) - 1)))
}

fn freed<H: Handle>(token: usize) -> Error {
    let name = H::NAME;
    Error::new(Code::InvalidHandle, format!("the {name} handle {token:#018x} was freed or never given out"))
        .with("type", name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code<T>(result: Result<T>) -> Code {
        result.map(drop).unwrap_err().code()
    }

    #[test]
    fn a_token_lives_until_it_is_freed_and_never_again() {
        let token = insert::<tailora_cancel>(Cancel::new()).unwrap();
        get(token).unwrap().request();
        assert!(get(token).unwrap().is_requested());
        remove(token).unwrap();
        assert_eq!(code(get(token)), Code::InvalidHandle);
        assert_eq!(code(remove(token)), Code::InvalidHandle);
        // The slot is used again, under another generation.
        let next = insert::<tailora_cancel>(Cancel::new()).unwrap();
        assert_ne!(next, token);
        assert_eq!(code(get(token)), Code::InvalidHandle);
        remove(next).unwrap();
    }

    #[test]
    fn another_type_garbage_and_null_are_refused_with_words() {
        let token = insert::<tailora_cancel>(Cancel::new()).unwrap();
        let err = get(token.cast::<tailora_error>()).map(drop).unwrap_err();
        assert!(err.message().contains("type cancel; expected a handle of type error"), "{err}");
        for garbage in [1usize, 3, usize::MAX, 0x7fff_1234_5678, token.addr() ^ (1 << 24), token.addr() ^ 1 << 20] {
            let garbage = std::ptr::without_provenance::<tailora_cancel>(garbage);
            assert_eq!(code(get(garbage)), Code::InvalidHandle);
            assert_eq!(code(remove(garbage)), Code::InvalidHandle);
        }
        assert!(get(std::ptr::null::<tailora_cancel>()).map(drop).unwrap_err().message().contains("NULL"));
        remove(token).unwrap();
    }

    #[test]
    fn freeing_during_a_call_is_safe() {
        let token = insert::<tailora_cancel>(Cancel::new()).unwrap();
        let held = get(token).unwrap();
        remove(token).unwrap();
        assert!(!held.is_requested());
    }

    #[test]
    fn tags_are_distinct_and_not_those_of_pointers() {
        for (at, (tag, _)) in NAMES.iter().enumerate() {
            assert!(!matches!(tag, 0x00 | 0xFF));
            assert!(NAMES.iter().skip(at + 1).all(|(other, _)| other != tag));
        }
    }

    #[test]
    fn an_exclusive_object_is_busy_then_free_and_poisoned_for_good() {
        let object = Exclusive::new(0);
        let first = object.enter("session").unwrap();
        assert_eq!(code(object.enter("session")), Code::Busy);
        drop(first);
        drop(object.enter("session").unwrap());
        let died = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let _held = object.enter("session").unwrap();
            std::panic::resume_unwind(Box::new(()));
        }));
        assert!(died.is_err());
        assert_eq!(code(object.enter("session")), Code::Poisoned);
    }

    #[test]
    fn threads_may_insert_and_free_at_the_same_time() {
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..2000 {
                        let token = insert::<tailora_cancel>(Cancel::new()).unwrap();
                        get(token).unwrap();
                        remove(token).unwrap();
                        assert_eq!(code(get(token)), Code::InvalidHandle);
                    }
                });
            }
        });
    }
}
