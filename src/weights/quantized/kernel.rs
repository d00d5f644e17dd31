//! The instructions that a product is made of, chosen at run time.

use super::activations::Activations;
use super::portable;
use super::tile::{OUTPUTS, Tile};
#[cfg(target_arch = "x86_64")]
use super::{avx2, vnni};

/// Rows of activations whose sums are kept together.
pub(super) const ROWS: usize = 6;

/// Proof that this CPU has the instructions of that name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Kernel(Instructions);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Instructions {
    Portable,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "x86_64")]
    Vnni,
}

impl Kernel {
    /// All that this CPU has, the best one last.
    pub(super) fn all() -> Vec<Kernel> {
        let mut all = vec![Kernel(Instructions::Portable)];
        #[cfg(target_arch = "x86_64")]
        {
            let has_avx2 =
                is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") && is_x86_feature_detected!("f16c");
            let has_vnni = is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512bw")
                && is_x86_feature_detected!("avx512vnni");
            all.extend(has_avx2.then_some(Kernel(Instructions::Avx2)));
            all.extend(has_vnni.then_some(Kernel(Instructions::Vnni)));
        }
        all
    }

    /// The best one, if it is faster than dequantizing.
    pub(super) fn detect() -> Option<Kernel> {
        Self::all().pop().filter(|best| best.0 != Instructions::Portable)
    }

    /// Up to `ROWS` rows from `first` on times a row of tiles: sums of each row.
    pub(super) fn product<T: Tile>(self, tiles: &[T], x: &Activations, first: usize, out: &mut [[f32; OUTPUTS]]) {
        assert!(x.spans() == tiles.len() && first + out.len() <= x.rows() && out.len() <= ROWS);
        match self.0 {
            Instructions::Portable => portable::product(tiles, x, first, out),
            // SAFETY: `self` proves the instructions, the assertion that `x` has the rows and the spans.
            #[cfg(target_arch = "x86_64")]
            Instructions::Avx2 => unsafe {
                match out.len() {
                    6 => avx2::product::<T, 6>(tiles, x, first, out),
                    5 => avx2::product::<T, 5>(tiles, x, first, out),
                    4 => avx2::product::<T, 4>(tiles, x, first, out),
                    3 => avx2::product::<T, 3>(tiles, x, first, out),
                    2 => avx2::product::<T, 2>(tiles, x, first, out),
                    _ => avx2::product::<T, 1>(tiles, x, first, out),
                }
            },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Instructions::Vnni => unsafe {
                match out.len() {
                    6 => vnni::product::<T, 6>(tiles, x, first, out),
                    5 => vnni::product::<T, 5>(tiles, x, first, out),
                    4 => vnni::product::<T, 4>(tiles, x, first, out),
                    3 => vnni::product::<T, 3>(tiles, x, first, out),
                    2 => vnni::product::<T, 2>(tiles, x, first, out),
                    _ => vnni::product::<T, 1>(tiles, x, first, out),
                }
            },
        }
    }
}
