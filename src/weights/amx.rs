//! Intel's AMX: eight registers of a thread, tiles of up to 16 rows of 64 bytes, and products of two tiles that are added to a
//! third. `std::arch` has no stable functions for them, so the instructions are written out here; what they do is in chapter 18
//! of volume 1 of Intel's Software Developer's Manual.
//!
//! Tiles 0 to 3 are sums, `[block of rows][half of the outputs]`; 4 and 5 blocks of rows of activations; 6 and 7 weights.

use super::panel_product::PANEL;
use std::arch::asm;
use std::arch::x86_64::{__cpuid_count, __get_cpuid_max};
use std::marker::PhantomData;

/// Rows of a tile.
pub(super) const TILE_ROWS: usize = 16;
/// Bytes of a row of a tile.
const ROW: usize = 64;
/// Rows of weights in a tile: groups of four bytes of the inputs.
pub(super) const DEPTH: usize = 16;

/// Whether the CPU has AMX for 8-bit integers and for bf16, and the system lets this process use it, which it is asked once.
pub(super) fn permitted() -> bool {
    use std::sync::OnceLock;
    static PERMITTED: OnceLock<bool> = OnceLock::new();
    *PERMITTED.get_or_init(|| {
        const LEAF: u32 = 7;
        const BITS: u32 = 1 << 22 | 1 << 24 | 1 << 25;
        // SAFETY: every CPU with AVX-512 has the instruction. The functions are unsafe in the oldest Rust that is supported.
        #[allow(unused_unsafe, reason = "newer ones have safe functions")]
        let known = unsafe { __get_cpuid_max(0).0 >= LEAF && __cpuid_count(LEAF, 0).edx & BITS == BITS };
        known && ask()
    })
}

/// Linux gives the state of tiles to processes that ask, if no thread has a signal stack that is too small for it.
#[cfg(target_os = "linux")]
fn ask() -> bool {
    const ARCH_REQ_XCOMP_PERM: libc::c_ulong = 0x1023;
    const XFEATURE_XTILEDATA: libc::c_ulong = 18;
    // SAFETY: it takes two numbers; systems that do not know it answer with an error.
    unsafe { libc::syscall(libc::SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA) == 0 }
}

#[cfg(not(target_os = "linux"))]
fn ask() -> bool {
    false
}

/// As `ldtilecfg` takes it.
#[repr(C, align(64))]
struct Layout {
    palette: u8,
    start_row: u8,
    reserved: [u8; 14],
    row_bytes: [u16; 16],
    rows: [u8; 16],
}

/// Writes a tile of sums.
macro_rules! store {
    ($sum:tt, $made:expr) => {
        asm!(
            concat!("tilestored [{made} + {row}], ", $sum),
            made = in(reg) $made,
            row = in(reg) ROW,
            options(nostack, preserves_flags),
        )
    };
}

/// The tiles of this thread, set up. They are given back when it is dropped, so that they need not be kept when threads change
/// or a signal comes. What the compiler makes of Rust uses no tiles, so they keep what one call leaves in them until the next.
pub(super) struct Tiles(PhantomData<*const ()>);

impl Tiles {
    /// For blocks of so many rows of activations, up to 16 each, and `depth` groups of four bytes of inputs.
    ///
    /// # Safety
    /// AMX is [`permitted`]; no other `Tiles` lives on this thread.
    pub(super) unsafe fn set_up(rows: [usize; 2], depth: usize) -> Self {
        debug_assert!(rows.iter().all(|rows| *rows <= TILE_ROWS) && (1..=DEPTH).contains(&depth));
        let mut layout = Layout { palette: 1, start_row: 0, reserved: [0; 14], row_bytes: [0; 16], rows: [0; 16] };
        let mut tile = |index: usize, rows: usize, bytes: usize| {
            // A tile that has no rows has no bytes either.
            (layout.rows[index], layout.row_bytes[index]) = (rows as u8, if rows == 0 { 0 } else { bytes as u16 });
        };
        for (block, rows) in rows.into_iter().enumerate() {
            tile(2 * block, rows, ROW);
            tile(2 * block + 1, rows, ROW);
            tile(4 + block, rows, 4 * depth);
            tile(6 + block, depth, ROW);
        }
        // SAFETY: AMX is there, and the layout is one of palette 1.
        unsafe { asm!("ldtilecfg [{}]", in(reg) &raw const layout, options(nostack, readonly, preserves_flags)) };
        Tiles(PhantomData)
    }

    /// Adds the products of a block of rows of bf16 with a panel to the sums of each row. Each step takes `depth` pairs.
    ///
    /// # Safety
    /// `x` has a tile of 1024 bytes for each step, `[row][pair]`; `sums` as many rows as the tiles were set up for; `pairs` are
    /// `steps · depth`, of 128 bytes, `[output][2]`.
    pub(super) unsafe fn add_block<P>(&self, steps: usize, pairs: *const P, x: *const f32, sums: *mut [f32; PANEL]) {
        const { assert!(size_of::<P>() == 2 * ROW && size_of::<[f32; PANEL]>() == 2 * ROW) };
        // SAFETY: the caller's.
        unsafe {
            asm!(
                "tileloadd tmm0, [{sums} + {two_rows}]",
                "tileloadd tmm1, [{sums} + {two_rows} + 64]",
                "2:",
                "tileloadd tmm4, [{x} + {row}]",
                "tileloadd tmm6, [{pairs} + {two_rows}]",
                "tdpbf16ps tmm0, tmm4, tmm6",
                "tileloadd tmm7, [{pairs} + {two_rows} + 64]",
                "tdpbf16ps tmm1, tmm4, tmm7",
                "add {x}, 1024",
                "add {pairs}, 2048",
                "dec {steps}",
                "jnz 2b",
                "tilestored [{sums} + {two_rows}], tmm0",
                "tilestored [{sums} + {two_rows} + 64], tmm1",
                sums = in(reg) sums,
                row = in(reg) ROW,
                two_rows = in(reg) 2 * ROW,
                x = inout(reg) x => _,
                pairs = inout(reg) pairs => _,
                steps = inout(reg) steps => _,
                out("tmm0") _, out("tmm1") _, out("tmm4") _, out("tmm6") _, out("tmm7") _,
                options(nostack),
            );
        }
    }

    /// The same of two blocks.
    ///
    /// # Safety
    /// As for `add_block`, of either block.
    pub(super) unsafe fn add_two_blocks<P>(
        &self,
        steps: usize,
        pairs: *const P,
        x: [*const f32; 2],
        sums: *mut [f32; PANEL],
    ) {
        const { assert!(size_of::<P>() == 2 * ROW && size_of::<[f32; PANEL]>() == 2 * ROW) };
        let [x, second] = x;
        // SAFETY: the caller's.
        unsafe {
            asm!(
                "tileloadd tmm0, [{sums} + {two_rows}]",
                "tileloadd tmm1, [{sums} + {two_rows} + 64]",
                "tileloadd tmm2, [{sums} + {two_rows} + 2048]",
                "tileloadd tmm3, [{sums} + {two_rows} + 2112]",
                "2:",
                "tileloadd tmm4, [{x} + {row}]",
                "tileloadd tmm6, [{pairs} + {two_rows}]",
                "tdpbf16ps tmm0, tmm4, tmm6",
                "tileloadd tmm7, [{pairs} + {two_rows} + 64]",
                "tdpbf16ps tmm1, tmm4, tmm7",
                "tileloadd tmm5, [{second} + {row}]",
                "tdpbf16ps tmm2, tmm5, tmm6",
                "tdpbf16ps tmm3, tmm5, tmm7",
                "add {x}, 1024",
                "add {second}, 1024",
                "add {pairs}, 2048",
                "dec {steps}",
                "jnz 2b",
                "tilestored [{sums} + {two_rows}], tmm0",
                "tilestored [{sums} + {two_rows} + 64], tmm1",
                "tilestored [{sums} + {two_rows} + 2048], tmm2",
                "tilestored [{sums} + {two_rows} + 2112], tmm3",
                sums = in(reg) sums,
                row = in(reg) ROW,
                two_rows = in(reg) 2 * ROW,
                x = inout(reg) x => _,
                second = inout(reg) second => _,
                pairs = inout(reg) pairs => _,
                steps = inout(reg) steps => _,
                out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
                out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
                options(nostack),
            );
        }
    }

    /// Begins `Σ q x̂` of a span of 32 inputs, with one set of tiles or the other: one may be finished while the other is made.
    ///
    /// # Safety
    /// The tiles are set up for two blocks of 16 rows and a depth of 8; `x` has `[row][32]`, signed, `lines` `[8][output][4]`,
    /// signed if so said.
    #[inline(always)]
    pub(super) unsafe fn begin_short<const SIGNED: bool>(&self, second: bool, lines: *const u8, x: *const i8) {
        macro_rules! begin {
            ($product:tt, $sum:tt, $x:tt, $lines:tt) => {
                asm!(
                    concat!("tilezero ", $sum),
                    concat!("tileloadd ", $x, ", [{x} + {half}]"),
                    concat!("tileloadd ", $lines, ", [{lines} + {row}]"),
                    concat!($product, " ", $sum, ", ", $x, ", ", $lines),
                    x = in(reg) x,
                    lines = in(reg) lines,
                    half = in(reg) ROW / 2,
                    row = in(reg) ROW,
                    out($sum) _, out($x) _, out($lines) _,
                    options(nostack, preserves_flags),
                )
            };
        }
        // SAFETY: the caller's.
        unsafe {
            match (SIGNED, second) {
                (true, false) => begin!("tdpbssd", "tmm0", "tmm4", "tmm6"),
                (true, true) => begin!("tdpbssd", "tmm2", "tmm5", "tmm7"),
                (false, false) => begin!("tdpbsud", "tmm0", "tmm4", "tmm6"),
                (false, true) => begin!("tdpbsud", "tmm2", "tmm5", "tmm7"),
            }
        }
    }

    /// Writes what was begun with a set of tiles.
    ///
    /// # Safety
    /// It was begun.
    #[inline(always)]
    pub(super) unsafe fn finish_short(&self, second: bool, made: *mut Dots) {
        // SAFETY: the caller's.
        unsafe { if second { store!("tmm2", made) } else { store!("tmm0", made) } }
    }

    /// Begins `Σ q x̂` of a span of 256 inputs, of the low bytes and of the high ones.
    ///
    /// # Safety
    /// The tiles are set up for a block of 16 rows and a depth of 16; `x` has `[step of 64][row][64]`, `lines`
    /// `[step of 64][low or high byte][16][output][4]`, of which the low bytes are not signed.
    #[inline(always)]
    pub(super) unsafe fn begin_long(&self, lines: *const u8, x: *const i8) {
        // SAFETY: the caller's.
        unsafe {
            asm!(
                "tilezero tmm0",
                "tilezero tmm1",
                ".irp step, 0, 1, 2, 3",
                "tileloadd tmm4, [{x} + {row} + 1024 * \\step]",
                "tileloadd tmm6, [{lines} + {row} + 2048 * \\step]",
                "tdpbsud tmm0, tmm4, tmm6",
                "tileloadd tmm7, [{lines} + {row} + 2048 * \\step + 1024]",
                "tdpbssd tmm1, tmm4, tmm7",
                ".endr",
                x = in(reg) x,
                lines = in(reg) lines,
                row = in(reg) ROW,
                out("tmm0") _, out("tmm1") _, out("tmm4") _, out("tmm6") _, out("tmm7") _,
                options(nostack, preserves_flags),
            );
        }
    }

    /// Writes what was begun: the sums of the low bytes and those of the high ones.
    ///
    /// # Safety
    /// They were begun.
    #[inline(always)]
    pub(super) unsafe fn finish_long(&self, made: *mut [Dots; 2]) {
        // SAFETY: the caller's.
        unsafe {
            store!("tmm0", made);
            store!("tmm1", made.cast::<Dots>().add(1));
        }
    }
}

/// `[row][output]`
pub(super) type Dots = [[i32; TILE_ROWS]; TILE_ROWS];

impl Drop for Tiles {
    fn drop(&mut self) {
        // SAFETY: AMX is there, as for `set_up`.
        unsafe { asm!("tilerelease", options(nomem, nostack, preserves_flags)) };
    }
}
