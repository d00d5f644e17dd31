//! A repetition that a thread is in: it notes what is asked for, or compares it with the notes.

use super::arena::{ALIGNMENT, Arena, Lease};
use super::pieces::Piece;
use super::work::Note;
use super::{Array, Backend};
use crate::error::{Code, Error, Result};
use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// What a thread notes or compares.
pub(super) struct Active {
    card: Arc<dyn Backend>,
    pub(super) run: u64,
    pub(super) arena: Arc<Arena>,
    pub(super) notes: Vec<Note>,
    /// The next note to compare with; `None` while they are made.
    next: Option<usize>,
    /// What is done once all of it was asked for again, and how many of them were.
    pub(super) pieces: Vec<Piece>,
    pieces_done: usize,
    /// For the arena's inputs, and how many of these bytes were sent.
    staged: Vec<u8>,
    sent: usize,
    /// Whether it is of no use any more.
    broken: bool,
    /// Memory from elsewhere, given back once the work is done.
    pub(super) given_back: Vec<(u64, usize)>,
}

thread_local! {
    static ACTIVE: RefCell<Option<Active>> = const { RefCell::new(None) };
}

/// The next of [`Active::run`], which are never the same.
static RUNS: AtomicU64 = AtomicU64::new(1);

/// Calls `with` with the repetition on a card that this thread is in, if it is in one.
pub(super) fn on_card<R>(card: &Arc<dyn Backend>, with: impl FnOnce(&mut Active) -> R) -> Option<R> {
    let of_card = |active: &&mut Active| Arc::ptr_eq(&active.card, card);
    ACTIVE.try_with(|active| active.borrow_mut().as_mut().filter(of_card).map(with)).ok().flatten()
}

impl Active {
    /// One that makes notes.
    pub(super) fn recording(card: &Arc<dyn Backend>, arena: Arc<Arena>) -> Self {
        Active {
            card: card.clone(),
            run: RUNS.fetch_add(1, Ordering::Relaxed),
            arena,
            notes: Vec::new(),
            next: None,
            pieces: Vec::new(),
            pieces_done: 0,
            staged: Vec::new(),
            sent: 0,
            broken: false,
            given_back: Vec::new(),
        }
    }

    /// One that compares with them, and does the pieces made of them.
    pub(super) fn replaying(card: &Arc<dyn Backend>, arena: Arc<Arena>, notes: Vec<Note>, pieces: Vec<Piece>) -> Self {
        Active { notes, next: Some(0), pieces, ..Self::recording(card, arena) }
    }

    /// Runs code whose work is this.
    pub(super) fn during(self, work: &mut dyn FnMut() -> Result<Array>) -> (Self, Result<Array>) {
        let lost = || unrepeatable("was not ended by who began it");
        let (card, arena) = (self.card.clone(), self.arena.clone());
        let before = Before(ACTIVE.replace(Some(self)));
        let array = work();
        let active = ACTIVE.take();
        drop(before);
        match active {
            Some(active) => (active, array),
            None => (Active::recording(&card, arena), array.and(Err(lost()))),
        }
    }

    /// Whether all was equal.
    pub(super) fn check(&self) -> Result<()> {
        match self.broken || self.next.is_some_and(|next| next != self.notes.len()) {
            true => Err(unrepeatable("is not what it was")),
            false => Ok(()),
        }
    }

    pub(super) fn note(&mut self, note: Note) -> Result<()> {
        if self.broken {
            return self.refuse();
        }
        match &mut self.next {
            None => self.notes.push(note),
            Some(next) if self.notes.get(*next) == Some(&note) => {
                *next += 1;
                let asked = *next;
                return self.do_pieces(asked).inspect_err(|_| self.broken = true);
            }
            Some(_) => return self.refuse(),
        }
        Ok(())
    }

    /// Does the pieces of the first so many notes.
    fn do_pieces(&mut self, asked: usize) -> Result<()> {
        while self.pieces.get(self.pieces_done).is_some_and(|piece| piece.is_of(asked)) {
            self.send_inputs()?;
            // SAFETY: the work has asked for all of it, with these addresses, and the arena is still there.
            unsafe { self.pieces[self.pieces_done].perform(&self.notes, &*self.card)? };
            self.pieces_done += 1;
        }
        Ok(())
    }

    /// Sends what was staged since the last time.
    pub(super) fn send_inputs(&mut self) -> Result<()> {
        if self.sent < self.staged.len() {
            let to = self.arena.inputs() + self.sent as u64;
            // SAFETY: the inputs' place in the arena has room for what was staged.
            unsafe { self.card.upload(&self.staged[self.sent..], to)? };
            self.sent = self.staged.len();
        }
        Ok(())
    }

    pub(super) fn refuse(&mut self) -> Result<()> {
        self.broken = true;
        Err(unrepeatable("cannot be repeated"))
    }

    fn lease(&self) -> Lease {
        Lease { _arena: self.arena.clone(), run: self.run }
    }

    pub(super) fn take(&mut self, bytes: usize) -> Result<(u64, Lease)> {
        let room = Arena::room(bytes);
        let address = match self.next {
            None => self.arena.take(room)?,
            Some(next) => match self.notes.get(next) {
                Some(Note::Take { address, .. }) => *address,
                _ => 0,
            },
        };
        self.note(Note::Take { room, address })?;
        Ok((address, self.lease()))
    }

    /// A place that nothing else has in the whole of the repetition: it is written before the piece that reads it.
    pub(super) fn input(&mut self, bytes: &[u8]) -> Result<(u64, Lease)> {
        let (first, room) = (self.staged.len(), bytes.len().max(1).next_multiple_of(ALIGNMENT));
        if first + room > Arena::INPUTS {
            self.refuse()?;
        }
        self.staged.extend_from_slice(bytes);
        self.staged.resize(first + room, 0);
        let address = self.arena.inputs() + first as u64;
        self.note(Note::Input { room, address })?;
        Ok((address, self.lease()))
    }

    pub(super) fn give_back(&mut self, address: u64, bytes: usize, lease: Option<&Lease>) {
        match lease {
            // What was asked for may still read it.
            None => self.given_back.push((address, bytes)),
            Some(lease) if lease.run == self.run && !self.arena.is_input(address) => {
                if self.note(Note::GiveBack { address }).is_ok() && self.next.is_none() {
                    self.arena.give_back(address, Arena::room(bytes));
                }
            }
            Some(_) => {}
        }
    }
}

/// Runs code that is no part of the repetition that this thread may be in: a thread that waits within one piece of work may
/// do another meanwhile.
pub(crate) fn apart<R>(work: impl FnOnce() -> R) -> R {
    let _before = Before(ACTIVE.take());
    work()
}

/// What a thread was in before, and is in again once this is dropped.
struct Before(Option<Active>);

impl Drop for Before {
    fn drop(&mut self) {
        ACTIVE.set(self.0.take());
    }
}

fn unrepeatable(why: &str) -> Error {
    Error::new(Code::Internal, format!("work of a GPU that is repeated {why}"))
}
