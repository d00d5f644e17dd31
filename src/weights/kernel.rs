//! The instructions that products are made of, chosen at run time.

#[cfg(target_arch = "x86_64")]
use super::amx;

/// Rows of activations whose sums are kept in registers together.
pub(super) const ROWS: usize = 6;

/// Proof that this CPU has the instructions of that name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Kernel(Instructions);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Instructions {
    /// None but the target's own.
    Portable,
    /// AVX2, FMA and F16C.
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// AVX-512 F, and those of `Avx2`.
    #[cfg(target_arch = "x86_64")]
    Avx512,
    /// AVX-512 F, BW and VNNI, and those of `Avx2`.
    #[cfg(target_arch = "x86_64")]
    Vnni,
    /// AVX-512 BF16, and those of `Vnni`.
    #[cfg(target_arch = "x86_64")]
    Bf16,
    /// AMX with 8-bit integers and bf16, and those of `Bf16`.
    #[cfg(target_arch = "x86_64")]
    Amx,
}

impl Kernel {
    /// All that this CPU has, the best one last.
    pub(super) fn all() -> Vec<Kernel> {
        let mut all = vec![Kernel(Instructions::Portable)];
        #[cfg(target_arch = "x86_64")]
        {
            let avx2 =
                is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") && is_x86_feature_detected!("f16c");
            let avx512 = avx2 && is_x86_feature_detected!("avx512f");
            let vnni = avx512 && is_x86_feature_detected!("avx512bw") && is_x86_feature_detected!("avx512vnni");
            all.extend(avx2.then_some(Kernel(Instructions::Avx2)));
            all.extend(avx512.then_some(Kernel(Instructions::Avx512)));
            all.extend(vnni.then_some(Kernel(Instructions::Vnni)));
            let bf16 = vnni && is_x86_feature_detected!("avx512bf16");
            all.extend(bf16.then_some(Kernel(Instructions::Bf16)));
            all.extend((bf16 && amx::permitted()).then_some(Kernel(Instructions::Amx)));
        }
        all
    }

    /// The best one, if it is faster than dequantizing to f32.
    pub(super) fn detect() -> Option<Kernel> {
        Self::all().pop().filter(|best| best.0 != Instructions::Portable)
    }

    pub(super) fn instructions(self) -> Instructions {
        self.0
    }
}
