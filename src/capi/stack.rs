//! How much is left of the stack that a host calls on: where it is enough, a call that takes little need not change threads,
//! which takes longer than counting the tokens of a line.

use std::cell::Cell;

/// Left at least. Of tokenizers, whose depth no text decides, a quarter of it has to suffice in the tests' unoptimised build.
const ENOUGH: usize = 256 << 10;

thread_local! {
    /// The lowest address of this thread's stack and the one above its highest, once they were asked for.
    static BOUNDS: Cell<Option<(usize, usize)>> = const { Cell::new(None) };
}

/// Whether enough is left for a call that takes little.
pub(super) fn has_room() -> bool {
    has(ENOUGH)
}

/// Whether so many bytes are left. A thread that works on another stack than the system gave it (a fiber's, a signal's) is taken
/// to have none.
pub(super) fn has(bytes: usize) -> bool {
    let (low, high) = BOUNDS.get().unwrap_or_else(|| {
        let bounds = bounds().unwrap_or_default();
        BOUNDS.set(Some(bounds));
        bounds
    });
    let local = 0u8;
    let here = std::hint::black_box(&raw const local).addr();
    here < high && here.checked_sub(low).is_some_and(|left| left >= bytes)
}

#[cfg(target_os = "linux")]
fn bounds() -> Option<(usize, usize)> {
    let mut attributes = std::mem::MaybeUninit::<libc::pthread_attr_t>::uninit();
    let (mut low, mut size, mut guard) = (std::ptr::null_mut(), 0, 0);
    // SAFETY: the attributes are read and destroyed only where they were filled in; the rest are locals.
    let known = unsafe {
        libc::pthread_getattr_np(libc::pthread_self(), attributes.as_mut_ptr()) == 0 && {
            let read = libc::pthread_attr_getstack(attributes.as_ptr(), &raw mut low, &raw mut size) == 0
                && libc::pthread_attr_getguardsize(attributes.as_ptr(), &raw mut guard) == 0;
            libc::pthread_attr_destroy(attributes.as_mut_ptr());
            read
        }
    };
    // Some versions of glibc count the guard in.
    known.then(|| (low.addr().saturating_add(guard), low.addr().saturating_add(size)))
}

#[cfg(windows)]
fn bounds() -> Option<(usize, usize)> {
    #[link(name = "kernel32")]
    unsafe extern "system" {
        fn GetCurrentThreadStackLimits(low: *mut usize, high: *mut usize);
    }
    let (mut low, mut high) = (0, 0);
    // SAFETY: writes two locals.
    unsafe { GetCurrentThreadStackLimits(&raw mut low, &raw mut high) };
    Some((low, high))
}

#[cfg(not(any(target_os = "linux", windows)))]
fn bounds() -> Option<(usize, usize)> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::Monitor;
    use crate::language_model::{LanguageModel, ModelOptions};
    use std::path::Path;

    fn on_stack<T: Send + 'static>(bytes: usize, work: impl FnOnce() -> T + Send + 'static) -> T {
        std::thread::Builder::new().stack_size(bytes).spawn(work).unwrap().join().unwrap()
    }

    /// How many KiB can be used until there is no room any more.
    fn levels() -> u32 {
        let used = [0u8; 1024];
        std::hint::black_box(&used);
        if has_room() { 1 + std::hint::black_box(levels()) } else { 0 }
    }

    #[test]
    fn room_ends_before_the_stack_does() {
        assert_eq!(on_stack(128 << 10, levels), 0);
        assert!(on_stack(2 << 20, levels) > 100);
    }

    #[test]
    fn another_stack_is_not_this_threads() {
        BOUNDS.set(Some((0x1000, 0x2000)));
        assert!(!has_room(), "above it");
        BOUNDS.set(Some((usize::MAX - 0x1000, usize::MAX)));
        assert!(!has_room(), "below it");
        BOUNDS.set(None);
        assert!(has_room());
    }

    #[test]
    fn tokenizers_do_with_less_whatever_the_text() {
        let texts =
            ["a", " ", "\n", "高", "é", "\u{1F469}\u{200D}\u{1F4BB}", "'s ", "<|im_end|>", "0", "\u{0301}", "aB1 高,"];
        for name in ["tests/fixtures/models/qwen2", "samples/models/tailora-tiny"] {
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
            let model = LanguageModel::load(&path, &ModelOptions::of_tests(), &mut Monitor::none()).unwrap();
            on_stack(ENOUGH / 4, move || {
                for text in texts.map(|text| text.repeat((256 << 10) / text.len())) {
                    assert!(model.count_tokens(&text).unwrap() > 1000);
                    let ids = model.tokenize(&text, &Default::default()).unwrap();
                    assert!(!model.detokenize(&ids, &Default::default()).unwrap().is_empty());
                }
            });
        }
    }
}
