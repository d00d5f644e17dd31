//! Large buffers that are used again: the system gives a new one page by page, each cleared at its first touch, which
//! costs a training step on the CPU a tenth of its time.

use crate::error::Result;
use crate::memory;
use std::alloc::{Layout, alloc_zeroed};
use std::cell::RefCell;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Elements from which on a buffer is worth keeping; the allocator is quick with less.
const LARGE: usize = 1 << 16;

/// The buffers of one model.
#[derive(Debug, Clone, Default)]
pub(crate) struct Buffers(Arc<Pool>);

#[derive(Debug, Default)]
struct Pool {
    held: Mutex<Held>,
    holders: AtomicUsize,
}

/// What a pool holds, in elements.
#[derive(Debug, Default)]
struct Held {
    /// The one that was used last at the end.
    idle: Vec<Vec<f32>>,
    in_idle: usize,
    in_use: usize,
    /// The most that was in use at a time. With idle ones there is never more.
    most_in_use: usize,
}

/// Elements in host memory. Who drops it gives its memory to the next of its pool that needs as much.
#[derive(Debug, Default)]
pub(crate) struct Buffer {
    data: Vec<f32>,
    /// Where it was taken from, if it is large.
    pool: Option<Arc<Pool>>,
}

/// While one lives, buffers that operators are done with are kept for the next.
#[derive(Debug)]
pub(crate) struct Hold(Arc<Pool>);

thread_local! {
    /// The pool of the work that this thread does.
    static CURRENT: RefCell<Option<Arc<Pool>>> = const { RefCell::new(None) };
}

impl Buffers {
    /// Keeps buffers until the guard is dropped.
    pub(crate) fn hold(&self) -> Hold {
        self.0.holders.fetch_add(1, Ordering::Relaxed);
        Hold(self.0.clone())
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
}

impl Held {
    /// The smallest idle one that is large enough and at most half as large again, of several the one that was used last.
    fn reuse(&mut self, len: usize) -> Option<Vec<f32>> {
        let fits = |buffer: &Vec<f32>| (len..=len + len / 2).contains(&buffer.capacity());
        let fitting = self.idle.iter().enumerate().rev().filter(|(_, buffer)| fits(buffer));
        let (index, _) = fitting.min_by_key(|(_, buffer)| buffer.capacity())?;
        let buffer = self.idle.remove(index);
        self.in_idle -= buffer.capacity();
        self.uses(buffer.capacity());
        Some(buffer)
    }

    /// Frees idle ones, those first that were not used for longest, until there is room for one more beside them.
    fn make_room(&mut self, len: usize) {
        let most = self.most_in_use.max(self.in_use.saturating_add(len));
        while !self.idle.is_empty() && self.in_use.saturating_add(len).saturating_add(self.in_idle) > most {
            self.in_idle -= self.idle.remove(0).capacity();
        }
    }

    fn uses(&mut self, len: usize) {
        self.in_use += len;
        self.most_in_use = self.most_in_use.max(self.in_use);
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        if self.0.holders.fetch_sub(1, Ordering::Relaxed) == 1 {
            let mut held = self.0.held();
            held.idle.clear();
            (held.in_idle, held.most_in_use) = (0, held.in_use);
        }
    }
}

/// A buffer of `len` elements that hold anything: an idle one, or a new one. For a new one idle ones are freed, so that a pool
/// never has more than was once in use at a time.
pub(crate) fn take(len: usize) -> Result<Buffer> {
    let pool = if len < LARGE { None } else { CURRENT.try_with(|current| current.borrow().clone()).ok().flatten() };
    let Some(pool) = pool else { return zeros(len).map(Buffer::of) };
    let reused = pool.held().reuse(len);
    let data = match reused {
        Some(mut data) => {
            if cfg!(debug_assertions) {
                data.fill(f32::NAN);
            }
            data.resize(len, 0.0);
            data
        }
        None => {
            pool.held().make_room(len);
            let data = zeros(len)?;
            pool.held().uses(data.capacity());
            data
        }
    };
    Ok(Buffer { data, pool: Some(pool) })
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
    /// The memory of `data`, which is of no pool.
    pub(crate) fn of(data: Vec<f32>) -> Self {
        Buffer { data, pool: None }
    }

    /// The elements, which are no pool's any more.
    pub(crate) fn into_values(mut self) -> Vec<f32> {
        let data = std::mem::take(&mut self.data);
        if let Some(pool) = self.pool.take() {
            pool.held().in_use -= data.capacity();
        }
        data
    }
}

impl Deref for Buffer {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        &self.data
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut self.data
    }
}

impl Drop for Buffer {
    /// Gives the memory back to its pool, if someone holds that.
    fn drop(&mut self) {
        let Some(pool) = self.pool.take() else { return };
        let data = std::mem::take(&mut self.data);
        let mut held = pool.held();
        held.in_use -= data.capacity();
        if pool.holders.load(Ordering::Relaxed) > 0 {
            held.in_idle += data.capacity();
            held.idle.push(data);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: [usize; 0] = [];

    fn idle(buffers: &Buffers) -> Vec<usize> {
        let held = buffers.0.held();
        let mut sizes: Vec<usize> = held.idle.iter().map(Vec::capacity).collect();
        assert_eq!(held.in_idle, sizes.iter().sum::<usize>());
        sizes.sort();
        sizes
    }

    #[test]
    fn a_buffer_comes_back_while_someone_holds_the_pool() {
        let buffers = Buffers::default();
        let large = || take(2 * LARGE).unwrap();
        buffers.during(|| drop(large()));
        assert_eq!(idle(&buffers), NONE);
        let (hold, second) = (buffers.hold(), buffers.hold());
        let [one, other] = buffers.during(|| [large(), large()]);
        drop((one, take(3).unwrap()));
        assert_eq!(idle(&buffers), [2 * LARGE]);
        let again = buffers.during(|| take(2 * LARGE - 5)).unwrap();
        assert_eq!((again.len(), again.data.capacity(), idle(&buffers)), (2 * LARGE - 5, 2 * LARGE, vec![]));
        drop(again);
        assert_eq!(other.into_values().len(), 2 * LARGE);
        drop(hold);
        assert_eq!(idle(&buffers), [2 * LARGE]);
        drop(second);
        assert_eq!((idle(&buffers), buffers.0.held().in_use), (vec![], 0));
    }

    #[test]
    fn a_change_of_shapes_does_not_add_up_and_the_same_shapes_need_no_new_memory() {
        let buffers = Buffers::default();
        let _hold = buffers.hold();
        let units = |units: usize| buffers.during(|| take(units * LARGE)).unwrap();
        drop([units(2), units(3), units(10)]);
        // Five more are no more than the fifteen that were in use if the first two are freed, and four more if the next.
        let five = units(5);
        assert_eq!((five.data.capacity(), idle(&buffers)), (5 * LARGE, vec![10 * LARGE]));
        let four = units(4);
        assert_eq!((four.data.capacity(), idle(&buffers)), (4 * LARGE, vec![]));
        let seven = units(7);
        drop((five, four, seven));
        assert_eq!(idle(&buffers), [4 * LARGE, 5 * LARGE, 7 * LARGE]);
        let pointers = [7, 4, 5].map(|of| units(of).as_ptr());
        assert_eq!([7, 4, 5].map(|of| units(of).as_ptr()), pointers);
        assert_eq!(buffers.0.held().most_in_use, 16 * LARGE);
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
        drop(take(2 * LARGE).unwrap());
        assert_eq!(take(2 * LARGE).unwrap().len(), 2 * LARGE);
    }
}
