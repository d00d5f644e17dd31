//! Large buffers that are used again: the system gives a new one page by page, each cleared at its first touch, which
//! costs a training step on the CPU a tenth of its time.

use super::held::Held;
pub(crate) use super::held::Shapes;
use crate::error::Result;
use crate::memory;
use std::alloc::{Layout, alloc_zeroed};
use std::cell::RefCell;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Elements from which on a buffer is worth keeping; the allocator is quick with less.
const LARGE: usize = 1 << 16;

/// The idle buffers of one model.
#[derive(Debug, Clone, Default)]
pub(crate) struct Buffers(Arc<Pool>);

#[derive(Debug, Default)]
struct Pool {
    held: Mutex<Held>,
    holders: AtomicUsize,
    /// Those of them whose shapes change.
    changing: AtomicUsize,
}

/// Elements in host memory. Who drops it gives its memory to the next that needs as much.
#[derive(Debug, Default)]
pub(crate) struct Buffer {
    values: Vec<f32>,
    /// Of large ones.
    in_use: Option<InUse>,
}

/// Counts as in use while it lives.
#[derive(Debug)]
struct InUse {
    pool: Arc<Pool>,
    elements: usize,
    asked: usize,
}

/// While one lives, buffers that operators are done with are kept for the next.
#[derive(Debug)]
pub(crate) struct Hold {
    pool: Arc<Pool>,
    shapes: Shapes,
}

thread_local! {
    /// The pool of the work that this thread does.
    static CURRENT: RefCell<Option<Arc<Pool>>> = const { RefCell::new(None) };
}

impl Buffers {
    /// Keeps buffers until the guard is dropped.
    pub(crate) fn hold(&self, shapes: Shapes) -> Hold {
        self.0.holders.fetch_add(1, Ordering::Relaxed);
        if shapes == Shapes::Change {
            self.0.changing.fetch_add(1, Ordering::Relaxed);
        }
        Hold { pool: self.0.clone(), shapes }
    }

    /// Runs `work`, whose operators take their buffers from here.
    pub(crate) fn during<T>(&self, work: impl FnOnce() -> T) -> T {
        /// Puts the pool back that was there before: a thread that waits inside of one piece of work may do another.
        struct Before(Option<Arc<Pool>>);
        impl Drop for Before {
            fn drop(&mut self) {
                CURRENT.set(self.0.take());
            }
        }
        let _before = Before(CURRENT.replace(Some(self.0.clone())));
        work()
    }
}

impl Pool {
    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The shapes of what its holders make.
    fn shapes(&self) -> Shapes {
        if self.changing.load(Ordering::Relaxed) > 0 { Shapes::Change } else { Shapes::Repeat }
    }

    /// An idle buffer for `len` elements, if there is one, and what counts it, or the one that is made instead.
    fn reuse(self: &Arc<Self>, len: usize) -> (Option<Vec<f32>>, InUse) {
        let found = self.held().take(len, self.shapes());
        let elements = found.as_ref().map_or(len, Vec::capacity);
        (found, InUse { pool: self.clone(), elements, asked: len })
    }

    /// Keeps a buffer for the next who needs one, if someone holds the pool.
    fn give_back(&self, buffer: Vec<f32>) {
        if self.holders.load(Ordering::Relaxed) > 0 {
            self.held().give_back(buffer, self.shapes());
        }
    }
}

impl Drop for InUse {
    fn drop(&mut self) {
        self.pool.held().release(self.elements, self.asked);
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        if self.shapes == Shapes::Change {
            self.pool.changing.fetch_sub(1, Ordering::Relaxed);
        }
        if self.pool.holders.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.pool.held().clear();
        }
    }
}

/// A buffer of `len` elements that hold anything.
///
/// The smallest idle one that is large enough and at most half as large again; if there is none, one is made. Then, where shapes change, idle
/// ones are freed until, with those in use, they are less than what was asked for at once before: so they hardly add to the highest
/// use of memory. Where shapes repeat, larger ones are left: the next part of a layer wants them.
pub(crate) fn take(len: usize) -> Result<Buffer> {
    let (reused, in_use) = match with_current(Arc::clone).filter(|_| len >= LARGE) {
        Some(pool) => {
            let (reused, in_use) = pool.reuse(len);
            (reused, Some(in_use))
        }
        None => (None, None),
    };
    let Some(mut values) = reused else { return Ok(Buffer { values: zeros(len)?, in_use }) };
    if cfg!(debug_assertions) {
        values.fill(f32::NAN);
    }
    values.resize(len, 0.0);
    Ok(Buffer { values, in_use })
}

/// `vec![0.0; len]`, with an error where that would end the process. The pages are cleared as they are first touched, by
/// whichever thread that is.
pub(crate) fn zeros(len: usize) -> Result<Vec<f32>> {
    // SAFETY: zero bytes are the float 0.
    unsafe { zeroed(len) }
}

/// The same of any type.
///
/// # Safety
/// Zero bytes are a value of the type.
pub(crate) unsafe fn zeroed<T>(len: usize) -> Result<Vec<T>> {
    let layout = match Layout::array::<T>(len) {
        Ok(layout) if layout.size() > 0 => layout,
        Ok(_) => return Ok(Vec::new()),
        Err(_) => return Err(memory::exhausted(u64::MAX)),
    };
    // SAFETY: the layout is not empty. What is allocated with the layout of an array of `len` elements may become a vector
    // of that length and capacity, and zero bytes are elements.
    unsafe {
        let data = alloc_zeroed(layout).cast::<T>();
        if data.is_null() {
            return Err(memory::exhausted(layout.size() as u64));
        }
        Ok(Vec::from_raw_parts(data, len, len))
    }
}

impl Buffer {
    /// The memory of `data`.
    pub(crate) fn of(data: Vec<f32>) -> Self {
        Buffer { values: data, in_use: None }
    }

    /// The elements, which are no buffer's any more.
    pub(crate) fn into_values(mut self) -> Vec<f32> {
        std::mem::take(&mut self.values)
    }
}

impl Deref for Buffer {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        &self.values
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut self.values
    }
}

impl Drop for Buffer {
    /// Gives large memory to the pool of the work that this thread does.
    fn drop(&mut self) {
        let values = std::mem::take(&mut self.values);
        self.in_use = None;
        if values.len() >= LARGE {
            with_current(|pool| pool.give_back(values));
        }
    }
}

fn with_current<T>(work: impl FnOnce(&Arc<Pool>) -> T) -> Option<T> {
    CURRENT.try_with(|current| current.borrow().as_ref().map(work)).ok().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: [usize; 0] = [];

    fn idle(buffers: &Buffers) -> Vec<usize> {
        let mut sizes: Vec<usize> = buffers.0.held().idle().collect();
        sizes.sort();
        sizes
    }

    #[test]
    fn a_buffer_comes_back_while_someone_holds_the_pool() {
        let buffers = Buffers::default();
        let large = || take(2 * LARGE).unwrap();
        buffers.during(|| drop(large()));
        assert_eq!(idle(&buffers), NONE);
        let (hold, second) = (buffers.hold(Shapes::Repeat), buffers.hold(Shapes::Repeat));
        buffers.during(|| drop((large(), take(3).unwrap())));
        assert_eq!(idle(&buffers), [2 * LARGE]);
        let again = buffers.during(|| take(2 * LARGE - 5)).unwrap();
        assert_eq!((again.len(), again.values.capacity(), idle(&buffers)), (2 * LARGE - 5, 2 * LARGE, vec![]));
        buffers.during(|| drop(again));
        drop(hold);
        assert_eq!(idle(&buffers), [2 * LARGE]);
        drop(second);
        assert_eq!(idle(&buffers), NONE);
    }

    #[test]
    fn a_change_of_shapes_never_takes_more_than_was_in_use_at_once() {
        let buffers = Buffers::default();
        let _hold = buffers.hold(Shapes::Change);
        let units = |sizes: &[usize]| sizes.iter().map(|units| units * LARGE).collect::<Vec<_>>();
        let take = |units: usize| take(units * LARGE).unwrap();
        buffers.during(|| {
            drop([take(1), take(2), take(3), take(10)]);
            assert_eq!(idle(&buffers), units(&[3, 10]), "less than the 16 that were in use at once");
            let four = take(4);
            assert_eq!(idle(&buffers), units(&[10]), "what came back first is freed first");
            let five = take(5);
            assert_eq!(idle(&buffers), units(&[]));
            drop((four, five, take(3)));
            assert_eq!(idle(&buffers), units(&[3, 4, 5]));
            // Memory from elsewhere adds up no more than the pool's own.
            drop([Buffer::of(vec![0.0; 7 * LARGE]), Buffer::of(vec![0.0; 8 * LARGE])]);
            assert_eq!(idle(&buffers), units(&[8]));
            assert_eq!(take(9).into_values().len(), 9 * LARGE);
            assert_eq!((idle(&buffers), buffers.0.held().in_use()), (units(&[]), 0));
        });
    }

    #[test]
    fn parts_of_a_layer_find_their_buffers_again() {
        let buffers = Buffers::default();
        let _hold = buffers.hold(Shapes::Repeat);
        let both = |units: usize| {
            let mut firsts = [take(units * LARGE).unwrap(), take(units * LARGE).unwrap()].map(|buffer| buffer.as_ptr());
            firsts.sort();
            firsts
        };
        buffers.during(|| {
            let layer = || [both(1), both(6)];
            layer();
            let second = layer();
            assert_eq!(layer(), second);
            assert_eq!(idle(&buffers), [1, 1, 6, 6].map(|units| units * LARGE));
        });
    }

    #[test]
    fn what_no_machine_has_is_an_error() {
        for len in [1 << 60, usize::MAX] {
            assert_eq!(take(len).unwrap_err().code(), crate::error::Code::OutOfMemory);
        }
        assert_eq!((zeros(0).unwrap(), zeros(3).unwrap()), (vec![], vec![0.0; 3]));
    }

    #[test]
    fn without_a_pool_memory_is_simply_freed() {
        drop(Buffer::of(vec![1.0; 2 * LARGE]));
        assert_eq!(take(2 * LARGE).unwrap().len(), 2 * LARGE);
    }
}
