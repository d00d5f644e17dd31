//! The floating-point environment of a thread. A host may round toward zero or flush denormals on its own threads, which
//! new threads inherit; the library's compute in the default one, so that the same seed gives the same bits everywhere.

/// To nearest, denormals kept; on x86-64 all exceptions are masked, and none is raised.
const DEFAULT: u64 = if cfg!(target_arch = "x86_64") { 0x1F80 } else { 0 };

/// Rounds to nearest and keeps denormals on this thread, as every program starts.
pub(crate) fn set_default() {
    set(DEFAULT);
}

#[cfg(target_arch = "x86_64")]
fn get() -> u64 {
    let mut control = 0u32;
    // SAFETY: writes four bytes of a local.
    unsafe { std::arch::asm!("stmxcsr [{}]", in(reg) &raw mut control, options(nostack)) };
    u64::from(control)
}

#[cfg(target_arch = "x86_64")]
fn set(control: u64) {
    let control = control as u32;
    // SAFETY: reads four bytes of a local and changes only how this thread computes.
    unsafe { std::arch::asm!("ldmxcsr [{}]", in(reg) &raw const control, options(nostack, readonly)) };
}

#[cfg(target_arch = "aarch64")]
fn get() -> u64 {
    let control: u64;
    // SAFETY: reads how this thread computes.
    unsafe { std::arch::asm!("mrs {}, fpcr", out(reg) control, options(nostack, nomem)) };
    control
}

#[cfg(target_arch = "aarch64")]
fn set(control: u64) {
    // SAFETY: changes only how this thread computes.
    unsafe { std::arch::asm!("msr fpcr, {}", in(reg) control, options(nostack, nomem)) };
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn get() -> u64 {
    DEFAULT
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn set(_: u64) {}

/// The default on this thread, a host's, until the guard is dropped; then what the thread had before.
pub(crate) fn default_until_dropped() -> impl Drop {
    struct Before(u64);
    impl Drop for Before {
        fn drop(&mut self) {
            set(self.0);
        }
    }
    let before = Before(get());
    set_default();
    before
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::hint::black_box;

    #[test]
    fn a_hosts_own_rounding_comes_back() {
        let third = || black_box(black_box(1.0f32) / black_box(3.0f32));
        let nearest = third();
        let odd = if cfg!(target_arch = "aarch64") { 3 << 22 } else { 0x1F80 | 3 << 13 };
        let before = get();
        set(odd);
        let truncated = third();
        let inside = {
            let _default = default_until_dropped();
            third()
        };
        let after = third();
        set(before);
        assert!(truncated < nearest, "the test changes nothing: {truncated} {nearest}");
        assert_eq!((inside, after), (nearest, truncated));
    }
}
