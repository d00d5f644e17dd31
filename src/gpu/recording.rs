//! Work that is done again and again, such as a pass that gives the next token: hundreds of launches, which take the host
//! longer to ask for than a card to do.
//!
//! The first time, what the work asks for is noted, done, and made some pieces ([`Graph`]). Each further time the work's code
//! runs again, but what it asks for is only compared with what was noted. As soon as all of a piece was asked for again, the
//! piece is done, while the code goes on. So code needs to know nothing of it, and whatever differs is found: then the work
//! is done from its beginning as any other, and noted anew the next time.
//!
//! What is to differ from time to time comes from host memory. It is gathered, and sent in one before each piece is done.
//! Memory that the work takes is its recording's own, in an [`Arena`], so that it has the same addresses each time. What it
//! gives is copied out of there.
//!
//! Nothing waits in the card's stream meanwhile: other threads use the card as ever.

use super::active::{self, Active};
use super::arena::{Arena, Lease};
use super::pieces::Piece;
use super::work::{Note, Work, perform, perform_all};
use super::{Array, Gpu};
use crate::error::Result;
use std::sync::Arc;

/// Attempts in a row that come to nothing before some are left out, twice as many after each further one.
const PATIENCE: u32 = 3;
/// The most that are left out, as a power of two.
const LONGEST_PAUSE: u32 = 12;

/// A piece of work as it was done, if it was. One thread at a time may use it.
#[derive(Default)]
pub(crate) struct Recording {
    recorded: Option<Recorded>,
    /// Attempts in a row that came to nothing.
    failures: u32,
    /// Attempts to be left out.
    pause: u32,
    #[cfg(test)]
    replays: usize,
}

struct Recorded {
    notes: Vec<Note>,
    pieces: Vec<Piece>,
    arena: Arc<Arena>,
}

impl Recording {
    #[cfg(test)]
    pub(crate) fn replays(&self) -> usize {
        self.replays
    }

    fn is_due(&mut self) -> bool {
        let due = self.pause == 0;
        self.pause = self.pause.saturating_sub(1);
        due
    }

    fn failed(&mut self) {
        self.failures += 1;
        if self.failures >= PATIENCE {
            self.pause = 1 << self.failures.min(LONGEST_PAUSE);
        }
    }
}

impl Gpu {
    /// What `work` gives; see the module. It may run twice, so it must not matter that it does, and all that it gives must be
    /// in the array.
    pub(crate) fn repeated(&self, recording: &mut Recording, mut work: impl FnMut() -> Result<Array>) -> Result<Array> {
        if self.run().is_some() || !self.backend.repeats() || !recording.is_due() {
            return work();
        }
        let recorded = recording.recorded.take();
        let is_replay = recorded.is_some();
        let done = match recorded {
            Some(recorded) => self.replay(recorded, &mut work),
            None => self.record(&mut work),
        };
        // An error of the work itself comes again where it is done as any other.
        let Ok((recorded, result)) = done else {
            recording.failed();
            return work();
        };
        recording.recorded = Some(recorded);
        if is_replay {
            recording.failures = 0;
            #[cfg(test)]
            (recording.replays += 1);
        }
        Ok(result)
    }

    /// A number of the repetition that this thread is in, if it is in one on this card. Arrays that were made in one must not
    /// be read outside of it.
    pub(crate) fn run(&self) -> Option<u64> {
        self.active(|active| active.run)
    }

    fn record(&self, work: &mut dyn FnMut() -> Result<Array>) -> Result<(Recorded, Array)> {
        let arena = Arc::new(Arena::new(&self.backend)?);
        let noted = |active: &mut Active| {
            active.send_inputs()?;
            // SAFETY: the work's own addresses, or those of the arena, which is still there.
            unsafe { perform_all(&*self.backend, &active.notes) }
        };
        let (Active { notes, .. }, array) = self.done(Active::recording(&self.backend, arena.clone()), work, noted)?;
        // SAFETY: as above; a piece is done only where all of it was asked for again.
        let pieces = unsafe { Piece::all_of(&notes, &*self.backend)? };
        Ok((Recorded { notes, pieces, arena }, array))
    }

    fn replay(&self, recorded: Recorded, work: &mut dyn FnMut() -> Result<Array>) -> Result<(Recorded, Array)> {
        let Recorded { notes, pieces, arena } = recorded;
        let active = Active::replaying(&self.backend, arena.clone(), notes, pieces);
        let (Active { notes, pieces, .. }, array) = self.done(active, work, |_| Ok(()))?;
        Ok((Recorded { notes, pieces, arena }, array))
    }

    /// Runs the code of `work`, and what is left to be done `behind` it; a copy of what it gives.
    fn done(
        &self,
        active: Active,
        work: &mut dyn FnMut() -> Result<Array>,
        behind: impl FnOnce(&mut Active) -> Result<()>,
    ) -> Result<(Active, Array)> {
        let (mut active, array) = active.during(work);
        let given_back = std::mem::take(&mut active.given_back);
        let done = array.and_then(|array| {
            active.check()?;
            behind(&mut active)?;
            let mut copy = Array::new(self, array.element(), array.len())?;
            copy.copy_from(0, &array, 0..array.len())?;
            Ok((active, copy))
        });
        given_back.into_iter().for_each(|(address, bytes)| self.backend.give_back(address, bytes));
        done
    }

    /// Memory with anything in it, and whose it is if not the array's own.
    pub(super) fn take(&self, bytes: usize) -> Result<(u64, Option<Lease>)> {
        match self.active(|active| active.take(bytes)) {
            Some(taken) => taken.map(|(address, lease)| (address, Some(lease))),
            None => Ok((self.backend.take(bytes)?, None)),
        }
    }

    /// Memory with a copy of these bytes.
    pub(super) fn take_with(&self, bytes: &[u8]) -> Result<(u64, Option<Lease>)> {
        if let Some(taken) = self.active(|active| active.input(bytes)) {
            return taken.map(|(address, lease)| (address, Some(lease)));
        }
        let address = self.backend.take(bytes.len().max(1))?;
        // SAFETY: just taken.
        let uploaded = if bytes.is_empty() { Ok(()) } else { unsafe { self.backend.upload(bytes, address) } };
        match uploaded {
            Ok(()) => Ok((address, None)),
            Err(err) => {
                self.backend.give_back(address, bytes.len().max(1));
                Err(err)
            }
        }
    }

    /// Gives back what one of the two above gave.
    pub(super) fn give_back(&self, address: u64, bytes: usize, lease: Option<&Lease>) {
        let noted = self.active(|active| active.give_back(address, bytes, lease)).is_some();
        // What a lease keeps is of a repetition that is over.
        if lease.is_none() && !noted {
            self.backend.give_back(address, bytes);
        }
    }

    /// Does work, or notes it.
    ///
    /// # Safety
    /// As for the methods of [`Backend`].
    pub(super) unsafe fn work(&self, work: Work) -> Result<()> {
        // SAFETY: the caller's.
        self.noted(|| work.clone()).unwrap_or_else(|| unsafe { perform(&*self.backend, &work) })
    }

    /// Notes work, if this thread is in a repetition.
    pub(super) fn noted(&self, work: impl FnOnce() -> Work) -> Option<Result<()>> {
        self.active(|active| active.note(Note::Work(work())))
    }

    /// Refuses what cannot be noted, because the host takes part in it.
    pub(super) fn with_host(&self) -> Result<()> {
        self.active(Active::refuse).unwrap_or(Ok(()))
    }

    fn active<R>(&self, with: impl FnOnce(&mut Active) -> R) -> Option<R> {
        active::on_card(&self.backend, with)
    }
}
