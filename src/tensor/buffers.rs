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

/// The idle buffers of one model.
#[derive(Debug, Clone, Default)]
pub(crate) struct Buffers(Arc<Pool>);

#[derive(Debug, Default)]
struct Pool {
    idle: Mutex<Vec<Vec<f32>>>,
    holders: AtomicUsize,
    /// Those of them whose shapes change.
    changing: AtomicUsize,
}

/// Elements in host memory. Who drops it gives its memory to the next that needs as much.
#[derive(Debug, Default)]
pub(crate) struct Buffer(Vec<f32>);

/// While one lives, buffers that operators are done with are kept for the next.
#[derive(Debug)]
pub(crate) struct Hold {
    pool: Arc<Pool>,
    shapes: Shapes,
}

/// The shapes of what is made during a hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shapes {
    /// Those of one layer, again and again.
    Repeat,
    /// Others with each batch.
    Change,
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
    fn idle(&self) -> MutexGuard<'_, Vec<Vec<f32>>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An idle buffer for `len` elements; without one, what is in its way is freed.
    fn reuse(&self, len: usize) -> Option<Vec<f32>> {
        let mut idle = self.idle();
        let large_enough = idle.iter().enumerate().filter(|(_, buffer)| buffer.capacity() >= len);
        match large_enough.min_by_key(|(_, buffer)| buffer.capacity()).map(|(index, _)| index) {
            Some(index) if idle[index].capacity() <= len + len / 2 => Some(idle.swap_remove(index)),
            Some(index) => {
                if self.changing.load(Ordering::Relaxed) > 0 {
                    idle.swap_remove(index);
                }
                None
            }
            None => {
                // All that are left are smaller.
                let mut freed = 0;
                idle.retain(|buffer| {
                    let keep = freed >= len;
                    freed += buffer.capacity();
                    keep
                });
                None
            }
        }
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        if self.shapes == Shapes::Change {
            self.pool.changing.fetch_sub(1, Ordering::Relaxed);
        }
        if self.pool.holders.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.pool.idle().clear();
        }
    }
}

/// A buffer of `len` elements that hold anything.
///
/// The smallest idle one that is large enough and at most half as large again; if there is none, one is made and as much
/// of idle ones is freed, so that a change of shapes does not add up. Where shapes repeat, larger ones are left: the next part of
/// a layer wants them.
pub(crate) fn take(len: usize) -> Result<Buffer> {
    let reused = if len < LARGE { None } else { with_current(|pool| pool.reuse(len)).flatten() };
    let Some(mut buffer) = reused else { return zeros(len).map(Buffer) };
    if cfg!(debug_assertions) {
        buffer.fill(f32::NAN);
    }
    buffer.resize(len, 0.0);
    Ok(Buffer(buffer))
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
        Buffer(data)
    }

    /// The elements, which are no buffer's any more.
    pub(crate) fn into_values(mut self) -> Vec<f32> {
        std::mem::take(&mut self.0)
    }
}

impl Deref for Buffer {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        &self.0
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut self.0
    }
}

impl Drop for Buffer {
    /// Gives large memory to the pool of the work that this thread does, if someone holds it.
    fn drop(&mut self) {
        if self.0.len() < LARGE {
            return;
        }
        let data = std::mem::take(&mut self.0);
        with_current(|pool| {
            if pool.holders.load(Ordering::Relaxed) > 0 {
                pool.idle().push(data);
            }
        });
    }
}

fn with_current<T>(work: impl FnOnce(&Pool) -> T) -> Option<T> {
    CURRENT.try_with(|current| current.borrow().as_deref().map(work)).ok().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: [usize; 0] = [];

    fn idle(buffers: &Buffers) -> Vec<usize> {
        let mut sizes: Vec<usize> = buffers.0.idle().iter().map(Vec::capacity).collect();
        sizes.sort();
        sizes
    }

    #[test]
    fn a_buffer_comes_back_while_someone_holds_the_pool() {
        let buffers = Buffers::default();
        let large = || take(2 * LARGE).unwrap();
        buffers.during(|| drop(large()));
        assert_eq!(idle(&buffers), NONE);
        let (hold, second) = (buffers.hold(Shapes::Change), buffers.hold(Shapes::Repeat));
        buffers.during(|| drop((large(), take(3).unwrap())));
        assert_eq!(idle(&buffers), [2 * LARGE]);
        let again = buffers.during(|| take(2 * LARGE - 5)).unwrap();
        assert_eq!((again.len(), again.0.capacity(), idle(&buffers)), (2 * LARGE - 5, 2 * LARGE, vec![]));
        buffers.during(|| drop(again));
        drop(hold);
        assert_eq!(idle(&buffers), [2 * LARGE]);
        drop(second);
        assert_eq!(idle(&buffers), NONE);
    }

    #[test]
    fn a_change_of_shapes_does_not_add_up() {
        let buffers = Buffers::default();
        let _hold = buffers.hold(Shapes::Change);
        buffers.during(|| {
            let buffer = |units: usize| Buffer::of(vec![0.0; units * LARGE]);
            drop([buffer(2), buffer(3), buffer(10)]);
            let taken = take(5 * LARGE).unwrap();
            assert_eq!(taken.0.capacity(), 5 * LARGE);
            assert_eq!(idle(&buffers), [2 * LARGE, 3 * LARGE]);
            let four = take(4 * LARGE).unwrap();
            assert_eq!(idle(&buffers), NONE);
            drop((taken, four));
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
