//! Work that is done again and again, such as a pass that gives the next token: hundreds of launches, which take the host
//! longer to ask for than a card to do.
//!
//! The first time, what the work asks for is noted, done, and made one piece ([`Graph`]). Each further time the work's code
//! runs again, but nothing it asks for is done: it is compared with what was noted, and where all is equal, the piece is done
//! instead. So code needs to know nothing of it, and whatever differs is found: then the work is done as any other, and
//! noted anew the next time.
//!
//! What is to differ from time to time comes from host memory. It is gathered, and sent in one before the piece is done.
//! Memory that the work takes is its recording's own, in an [`Arena`], so that it has the same addresses each time. What it
//! gives is copied out of there.
//!
//! Nothing waits in the card's stream meanwhile: other threads use the card as ever.

use super::arena::{ALIGNMENT, Arena, Lease};
use super::gemm::Product;
use super::launch::Grid;
use super::{Array, Backend, Gpu};
use crate::error::{Code, Error, Result};
use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Attempts in a row that come to nothing before some are left out, twice as many after each further one.
const PATIENCE: u32 = 3;
/// The most that are left out, as a power of two.
const LONGEST_PAUSE: u32 = 12;

/// Work of a card that can be noted.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Work {
    Clear { address: u64, bytes: usize },
    Copy { from: u64, to: u64, bytes: usize },
    Launch { kernel: String, grid: Grid, args: Vec<u64> },
    Gemm(Product),
}

/// Work as one piece.
pub(super) trait Graph: Send {
    /// Does it, behind all that was asked for so far.
    ///
    /// # Safety
    /// The addresses in it are still those of memory that was taken.
    unsafe fn launch(&self) -> Result<()>;
}

/// What a recording holds of one step.
#[derive(Debug, PartialEq)]
enum Note {
    Take { room: usize, address: u64 },
    GiveBack { address: u64 },
    Input { room: usize, address: u64 },
    Work(Work),
}

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
    /// Absent where a card can do no better than step by step.
    graph: Option<Box<dyn Graph>>,
    notes: Vec<Note>,
    result: (u64, usize),
    arena: Arc<Arena>,
}

/// What a thread notes or compares.
struct Active {
    card: Arc<dyn Backend>,
    run: u64,
    arena: Arc<Arena>,
    notes: Vec<Note>,
    /// The next note to compare with; `None` while they are made.
    next: Option<usize>,
    /// For the arena's inputs.
    staged: Vec<u8>,
    /// Whether it is of no use any more.
    broken: bool,
    /// Memory from elsewhere, given back once the work is done.
    given_back: Vec<(u64, usize)>,
}

thread_local! {
    static ACTIVE: RefCell<Option<Active>> = const { RefCell::new(None) };
}

/// The next of [`Active::run`], which are never the same.
static RUNS: AtomicU64 = AtomicU64::new(1);

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
        let active = Active::new(&self.backend, arena.clone(), Vec::new(), None);
        self.done(active, work, |notes| {
            for note in notes {
                if let Note::Work(work) = note {
                    // SAFETY: the work's own addresses, or those of the arena, which is still there.
                    unsafe { perform(&*self.backend, work)? };
                }
            }
            Ok(())
        })
        .and_then(|(notes, array, result)| {
            let of_card: Vec<&Work> = notes.iter().filter_map(Note::work).collect();
            // SAFETY: as above; it is launched only where all of it was asked for again.
            let graph = unsafe { self.backend.graph(&of_card)? };
            Ok((Recorded { graph, notes, result, arena }, array))
        })
    }

    fn replay(&self, recorded: Recorded, work: &mut dyn FnMut() -> Result<Array>) -> Result<(Recorded, Array)> {
        let Recorded { graph, notes, result, arena } = recorded;
        let active = Active::new(&self.backend, arena.clone(), notes, Some(0));
        let (notes, array, _) = self.done(active, work, |notes| match &graph {
            // SAFETY: `work` has just asked for all of it, with these addresses.
            Some(graph) => unsafe { graph.launch() },
            None => notes.iter().filter_map(Note::work).try_for_each(|work| {
                // SAFETY: as above.
                unsafe { perform(&*self.backend, work) }
            }),
        })?;
        Ok((Recorded { graph, notes, result, arena }, array))
    }

    /// Runs the code of `work`, and does what it asked for: the notes, a copy of what it gives, and where that lies.
    fn done(
        &self,
        active: Active,
        work: &mut dyn FnMut() -> Result<Array>,
        perform: impl FnOnce(&[Note]) -> Result<()>,
    ) -> Result<(Vec<Note>, Array, (u64, usize))> {
        let (mut active, array) = active.during(work);
        let given_back = std::mem::take(&mut active.given_back);
        let done = array.and_then(|array| {
            active.check()?;
            if !active.staged.is_empty() {
                // SAFETY: the inputs' place in the arena has room for what was staged.
                unsafe { self.backend.upload(&active.staged, active.arena.inputs())? };
            }
            perform(&active.notes)?;
            let mut copy = Array::new(self, array.element(), array.len())?;
            copy.copy_from(0, &array, 0..array.len())?;
            Ok((active.notes, copy, (array.address_of(0), array.bytes())))
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
        match (lease, self.active(|active| active.give_back(address, bytes, lease))) {
            (None, None) => self.backend.give_back(address, bytes),
            // Of a repetition that is over, or noted.
            _ => {}
        }
    }

    /// Does work, or notes it.
    ///
    /// # Safety
    /// As for the methods of [`Backend`].
    pub(super) unsafe fn work(&self, work: Work) -> Result<()> {
        let mut work = Some(work);
        if let Some(noted) = self.active(|active| work.take().map_or(Ok(()), |work| active.note(Note::Work(work)))) {
            return noted;
        }
        // SAFETY: the caller's.
        work.map_or(Ok(()), |work| unsafe { perform(&*self.backend, &work) })
    }

    /// Refuses what cannot be noted, because the host takes part in it.
    pub(super) fn with_host(&self) -> Result<()> {
        self.active(Active::refuse).unwrap_or(Ok(()))
    }

    fn active<R>(&self, with: impl FnOnce(&mut Active) -> R) -> Option<R> {
        let of_card = |active: &&mut Active| Arc::ptr_eq(&active.card, &self.backend);
        ACTIVE.try_with(|active| active.borrow_mut().as_mut().filter(of_card).map(with)).ok().flatten()
    }
}

impl Active {
    fn new(card: &Arc<dyn Backend>, arena: Arc<Arena>, notes: Vec<Note>, next: Option<usize>) -> Self {
        Active {
            card: card.clone(),
            run: RUNS.fetch_add(1, Ordering::Relaxed),
            arena,
            notes,
            next,
            staged: Vec::new(),
            broken: false,
            given_back: Vec::new(),
        }
    }

    /// Runs code whose work is this.
    fn during(self, work: &mut dyn FnMut() -> Result<Array>) -> (Self, Result<Array>) {
        let lost = || unrepeatable("was not ended by who began it");
        let (card, arena) = (self.card.clone(), self.arena.clone());
        let before = Before(ACTIVE.replace(Some(self)));
        let array = work();
        let active = ACTIVE.take();
        drop(before);
        match active {
            Some(active) => (active, array),
            None => (Active::new(&card, arena, Vec::new(), None), array.and(Err(lost()))),
        }
    }

    /// Whether all was equal.
    fn check(&self) -> Result<()> {
        match self.broken || self.next.is_some_and(|next| next != self.notes.len()) {
            true => Err(unrepeatable("is not what it was")),
            false => Ok(()),
        }
    }

    fn note(&mut self, note: Note) -> Result<()> {
        if self.broken {
            return self.refuse();
        }
        match &mut self.next {
            None => self.notes.push(note),
            Some(next) if self.notes.get(*next) == Some(&note) => *next += 1,
            Some(_) => return self.refuse(),
        }
        Ok(())
    }

    fn refuse(&mut self) -> Result<()> {
        self.broken = true;
        Err(unrepeatable("cannot be repeated"))
    }

    fn lease(&self) -> Lease {
        Lease { _arena: self.arena.clone(), run: self.run }
    }

    fn take(&mut self, bytes: usize) -> Result<(u64, Lease)> {
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

    /// A place that nothing else has in the whole of the repetition, as it is written before all else.
    fn input(&mut self, bytes: &[u8]) -> Result<(u64, Lease)> {
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

    fn give_back(&mut self, address: u64, bytes: usize, lease: Option<&Lease>) {
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

impl Note {
    fn work(&self) -> Option<&Work> {
        match self {
            Note::Work(work) => Some(work),
            _ => None,
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

/// # Safety
/// As for the methods of [`Backend`].
unsafe fn perform(backend: &dyn Backend, work: &Work) -> Result<()> {
    // SAFETY: the caller's.
    unsafe {
        match work {
            Work::Clear { address, bytes } => backend.clear(*address, *bytes),
            Work::Copy { from, to, bytes } => backend.copy(*from, *to, *bytes),
            Work::Launch { kernel, grid, args } => {
                let mut args = args.clone();
                let mut args: Vec<_> = args.iter_mut().map(|value| std::ptr::from_mut(value).cast()).collect();
                backend.launch(kernel, *grid, &mut args)
            }
            Work::Gemm(product) => backend.gemm(product),
        }
    }
}

fn unrepeatable(why: &str) -> Error {
    Error::new(Code::Internal, format!("work of a GPU that is repeated {why}"))
}
