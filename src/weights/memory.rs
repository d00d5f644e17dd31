//! Memory of frozen weights. Each token that is written reads all of them, so how fast they can be read is how fast text is
//! written: they lie beside each other in large mappings, for which Linux is asked for pages of 2 MiB instead of 4 KiB.

use crate::error::Result;
use crate::tensor::buffers;
use std::fmt;
use std::ops::{Deref, DerefMut};

/// Bytes from which on a weight is worth a place in a mapping.
const LEAST: usize = 1 << 20;
/// The same of one of many: a page.
const LEAST_AMONG_OTHERS: usize = 1 << 12;

/// Elements of a weight, which are zero at first.
pub(super) enum Elements<T> {
    Own(Vec<T>),
    #[cfg(target_os = "linux")]
    Shared(shared::Part<T>),
}

impl<T> Elements<T> {
    /// # Safety
    /// Zero bytes are a value of the type, which needs no drop.
    pub(super) unsafe fn zeroed(len: usize) -> Result<Self> {
        // SAFETY: the caller's.
        unsafe { Self::zeroed_from(LEAST, len) }
    }

    /// Of a weight that is one of many small ones, which are read one after the other, as an adapter's are.
    ///
    /// # Safety
    /// As above.
    pub(super) unsafe fn zeroed_among_others(len: usize) -> Result<Self> {
        // SAFETY: the caller's.
        unsafe { Self::zeroed_from(LEAST_AMONG_OTHERS, len) }
    }

    /// Large ones lie in a shared mapping; `least` is how many bytes that begins with.
    unsafe fn zeroed_from(least: usize, len: usize) -> Result<Self> {
        #[cfg(target_os = "linux")]
        if let Some(part) = shared::Part::of(least, len) {
            return Ok(Elements::Shared(part));
        }
        #[cfg(not(target_os = "linux"))]
        let _ = least;
        // SAFETY: the caller's.
        unsafe { buffers::zeroed(len) }.map(Elements::Own)
    }
}

impl<T> Deref for Elements<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        match self {
            Elements::Own(own) => own,
            #[cfg(target_os = "linux")]
            Elements::Shared(part) => part.elements(),
        }
    }
}

impl<T> DerefMut for Elements<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        match self {
            Elements::Own(own) => own,
            #[cfg(target_os = "linux")]
            Elements::Shared(part) => part.elements_mut(),
        }
    }
}

impl<T> fmt::Debug for Elements<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} elements", self.len())
    }
}

/// Parts of mappings. The pages of a part are given back with it, a mapping with its last part.
#[cfg(target_os = "linux")]
mod shared {
    use memmap2::{Advice, MmapMut, UncheckedAdvice};
    use std::marker::PhantomData;
    use std::ptr::NonNull;
    use std::sync::{Arc, Mutex, PoisonError, Weak};

    /// Bytes of a mapping; a larger weight has one for itself. What no weight needs is never touched, so it takes none.
    pub(super) const MAPPING: usize = 64 << 20;
    /// Bytes of a huge page of x86-64, and of AArch64 with pages of 4 KiB.
    const HUGE: usize = 2 << 20;
    /// Bytes of a page of most systems. Weights begin at them, so that no two share one, and all of their pages can be given back.
    const PAGE: usize = 4096;

    /// Where the next weight goes, while there is another one.
    static OPEN: Mutex<Weak<Mapping>> = Mutex::new(Weak::new());

    pub(super) struct Mapping {
        /// From the first huge page on, inside of `map`.
        start: NonNull<u8>,
        len: usize,
        used: Mutex<usize>,
        map: MmapMut,
    }

    // SAFETY: no byte is read or written through it but by the one part that it belongs to.
    unsafe impl Send for Mapping {}
    // SAFETY: as above.
    unsafe impl Sync for Mapping {}

    impl Mapping {
        /// None where the system has no room for it.
        fn new(len: usize) -> Option<Self> {
            let mut map = MmapMut::map_anon(len.checked_add(HUGE)?).ok()?;
            let skipped = map.as_ptr().align_offset(HUGE);
            // Only whole ones: the rest is not to take a huge page for itself. A kernel without them says so; pages are small.
            let _ = map.advise_range(Advice::HugePage, skipped, len / HUGE * HUGE);
            let start = NonNull::new(map.as_mut_ptr().wrapping_add(skipped))?;
            Some(Mapping { start, len, used: Mutex::new(0), map })
        }

        /// The next `bytes`, if there are as many left.
        fn take(&self, bytes: usize) -> Option<NonNull<u8>> {
            let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
            let first = *used;
            let end = first.checked_add(bytes).filter(|end| *end <= self.len)?;
            *used = end.next_multiple_of(PAGE);
            // SAFETY: `first` is inside of the mapping.
            Some(unsafe { self.start.add(first) })
        }
    }

    impl Mapping {
        /// Gives back the pages that lie in `bytes` from `first` on, which nobody reads any more.
        fn give_back(&self, first: NonNull<u8>, bytes: usize) {
            // SAFETY: no argument of it is a pointer.
            let page = usize::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).unwrap_or(HUGE).max(1);
            let begin = first.addr().get() - self.map.as_ptr().addr();
            let (from, to) = (begin.next_multiple_of(page), (begin + bytes) / page * page);
            if from < to {
                // SAFETY: the caller's part has them for itself. What is refused stays until the mapping goes.
                let _ = unsafe { self.map.unchecked_advise_range(UncheckedAdvice::DontNeed, from, to - from) };
            }
        }
    }

    /// Elements that nobody else has.
    pub(in crate::weights) struct Part<T> {
        first: NonNull<T>,
        len: usize,
        pub(super) mapping: Arc<Mapping>,
        _elements: PhantomData<T>,
    }

    // SAFETY: as a vector of the elements is.
    unsafe impl<T: Send> Send for Part<T> {}
    // SAFETY: as above.
    unsafe impl<T: Sync> Sync for Part<T> {}

    impl<T> Part<T> {
        /// None for what is small, and where the system has no room for a mapping.
        pub(super) fn of(least: usize, len: usize) -> Option<Self> {
            const { assert!(align_of::<T>() <= PAGE && !std::mem::needs_drop::<T>()) };
            let bytes = len.checked_mul(size_of::<T>()).filter(|bytes| *bytes >= least)?;
            let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(mapping) = open.upgrade()
                && let Some(first) = mapping.take(bytes)
            {
                return Some(Part { first: first.cast(), len, mapping, _elements: PhantomData });
            }
            let mapping = Arc::new(Mapping::new(bytes.max(MAPPING))?);
            let first = mapping.take(bytes)?;
            if bytes < MAPPING {
                *open = Arc::downgrade(&mapping);
            }
            Some(Part { first: first.cast(), len, mapping, _elements: PhantomData })
        }

        pub(super) fn elements(&self) -> &[T] {
            // SAFETY: `len` elements from `first` on are this part's, aligned as pages are, and of zeros at first.
            unsafe { std::slice::from_raw_parts(self.first.as_ptr(), self.len) }
        }

        pub(super) fn elements_mut(&mut self) -> &mut [T] {
            // SAFETY: as above, and the borrow is the only one.
            unsafe { std::slice::from_raw_parts_mut(self.first.as_ptr(), self.len) }
        }
    }

    impl<T> Drop for Part<T> {
        fn drop(&mut self) {
            self.mapping.give_back(self.first.cast(), self.len * size_of::<T>());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn elements(len: usize) -> Elements<u64> {
        // SAFETY: zeros are numbers.
        unsafe { Elements::zeroed(len).unwrap() }
    }

    #[test]
    fn elements_are_zero_and_nobody_elses() {
        let mut all: Vec<_> = [3, 1 << 17, 300_001, 1 << 23, 1 << 18, 0].map(elements).into();
        for (index, elements) in all.iter_mut().enumerate() {
            assert!(elements.iter().all(|e| *e == 0));
            elements.fill(index as u64 + 1);
        }
        for (index, elements) in all.iter().enumerate() {
            assert!(elements.iter().all(|e| *e == index as u64 + 1), "{index}");
        }
        let large = &all[1..5];
        assert!(large.iter().all(|elements| elements.as_ptr().addr().is_multiple_of(4096)));
    }

    #[test]
    fn what_no_machine_has_is_an_error() {
        // SAFETY: zeros are numbers.
        let found = unsafe { Elements::<u64>::zeroed(1 << 57) };
        assert_eq!(found.unwrap_err().code(), crate::error::Code::OutOfMemory);
    }

    /// What the kernel says of the mapping that has an address, in a line of this name.
    #[cfg(target_os = "linux")]
    fn of_mapping(address: usize, name: &str) -> String {
        let maps = std::fs::read_to_string("/proc/self/smaps").unwrap();
        let mut inside = false;
        let mut lines = maps.lines().filter_map(|line| {
            if let Some((first, end)) = line.split_once(' ').and_then(|(range, _)| range.split_once('-')) {
                let bound = |text| usize::from_str_radix(text, 16).ok();
                inside = bound(first).zip(bound(end)).is_some_and(|(first, end)| (first..end).contains(&address));
            }
            line.strip_prefix(name).filter(|_| inside)
        });
        lines.next().unwrap().trim().to_owned()
    }

    /// Alone in a mapping, so that other tests' weights do not keep it.
    #[cfg(target_os = "linux")]
    #[test]
    fn huge_pages_are_asked_for_and_given_back() {
        let elements = elements(shared::MAPPING / 8 + 5);
        let flags = of_mapping(elements.as_ptr().addr(), "VmFlags:");
        assert!(flags.contains(" hg") || flags.starts_with("hg"), "{flags}");
        let Elements::Shared(part) = &elements else { panic!("not in a mapping") };
        let mapping = std::sync::Arc::downgrade(&part.mapping);
        drop(elements);
        assert!(mapping.upgrade().is_none());
    }

    /// The mapping of a small weight that stays takes no more than itself, and what others have of it, once large ones are gone.
    #[cfg(target_os = "linux")]
    #[test]
    fn pages_are_given_back_while_others_of_the_mapping_are_in_use() {
        const SMALL: usize = LEAST_AMONG_OTHERS / 8;
        // SAFETY: zeros are numbers.
        let small = |_| unsafe { Elements::<u64>::zeroed_among_others(SMALL).unwrap() };
        let mut large = elements(shared::MAPPING / 8 - 64 * SMALL);
        let mut all: Vec<_> = (0..16).map(small).collect();
        large.fill(7);
        all.iter_mut().for_each(|small| small.fill(3));
        let Elements::Shared(part) = &large else { panic!("not in a mapping") };
        let mapping = part.mapping.clone();
        let address = large.as_ptr().addr();
        let kilobytes = || of_mapping(address, "Rss:").trim_end_matches(" kB").parse::<usize>().unwrap();
        let before = kilobytes();
        drop(large);
        let after = kilobytes();
        assert!(before > after + 60_000, "{before} and {after} kB");
        assert!(all.iter().all(|small| small.iter().all(|value| *value == 3)));
        drop(mapping);
    }
}
