//! What arrays consist of.

/// The type of an array's elements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Element {
    F32,
    Bf16,
    U32,
    U8,
}

impl Element {
    /// As kernels' names have it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Element::F32 => "f32",
            Element::Bf16 => "bf16",
            Element::U32 => "u32",
            Element::U8 => "u8",
        }
    }

    /// Bytes.
    pub(crate) fn size(self) -> usize {
        match self {
            Element::F32 | Element::U32 => 4,
            Element::Bf16 => 2,
            Element::U8 => 1,
        }
    }
}
