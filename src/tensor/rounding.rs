//! The floating-point environment of a thread. A host may round toward zero or flush denormals on its own threads, which
//! new threads inherit; the library's compute in the default one, so that the same seed gives the same bits everywhere.

/// Rounds to nearest and keeps denormals on this thread, as every program starts.
pub(crate) fn set_default() {
    #[cfg(target_arch = "x86_64")]
    {
        // All exceptions masked, none raised.
        let default: u32 = 0x1F80;
        // SAFETY: reads four bytes of a local and changes only how this thread computes, to what Rust takes for granted.
        unsafe { std::arch::asm!("ldmxcsr [{}]", in(reg) &raw const default, options(nostack, readonly)) };
    }
    #[cfg(target_arch = "aarch64")]
    // SAFETY: changes only how this thread computes, to what Rust takes for granted.
    unsafe {
        std::arch::asm!("msr fpcr, {}", in(reg) 0u64, options(nostack, nomem))
    };
}
