//! What rows of keys and values consist of.

/// One number, or several that share a scale.
pub(crate) trait Element: Copy + Send + Sync {
    /// Numbers of one.
    const WIDTH: usize;

    /// The elements as they are, where they are f32.
    fn as_f32(_: &[Self]) -> Option<&[f32]> {
        None
    }

    /// `to` = `from`, which has as many numbers.
    fn to_f32(from: &[Self], to: &mut [f32]);
}

/// One that numbers of f32 are rounded to.
///
/// # Safety
/// Zero bytes are one, and its numbers are 0.
pub(crate) unsafe trait Rounded: Element {
    /// `to` = `from`, which has as many numbers, to nearest, ties to even. What is out of range becomes the largest that there
    /// is, which attention can still compute with; what is no number stays none.
    fn round(from: &[f32], to: &mut [Self]);
}

impl Element for f32 {
    const WIDTH: usize = 1;

    fn as_f32(elements: &[f32]) -> Option<&[f32]> {
        Some(elements)
    }

    fn to_f32(from: &[f32], to: &mut [f32]) {
        to.copy_from_slice(from);
    }
}
