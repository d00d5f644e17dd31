//! A matrix of f16 in host memory: what is written once, kept long and read often, in half the bytes.

use super::buffers;
use super::matrix::Matrix;
use crate::error::{Code, Error, Result};
use half::f16;
use half::slice::HalfFloatSliceExt;
use std::ops::Range;

/// Elements that are rounded together.
const PIECE: usize = 64;

/// `[rows, cols]`, f16.
#[derive(Debug)]
pub(crate) struct F16Matrix {
    rows: usize,
    cols: usize,
    values: Vec<f16>,
}

impl F16Matrix {
    pub(crate) fn zeros(rows: usize, cols: usize) -> Result<Self> {
        // SAFETY: zero bytes are the number 0.
        let values = unsafe { buffers::zeroed(rows.saturating_mul(cols))? };
        Ok(F16Matrix { rows, cols, values })
    }

    /// `(rows, columns)`
    pub(crate) fn shape(&self) -> (usize, usize) {
        (self.rows, self.cols)
    }

    /// The elements, row by row.
    pub(crate) fn values(&self) -> &[f16] {
        &self.values
    }

    /// Writes rows `range` of `from` over those from `first` on, rounded to nearest, ties to even. What is beyond the range of
    /// f16 becomes its largest number, which attention can still compute with.
    pub(crate) fn round_rows(&mut self, first: usize, from: &Matrix, range: Range<usize>) -> Result<()> {
        let to = self.place(first, from.shape(), &range)?;
        let from = &from.slice()?[range.start * self.cols..range.end * self.cols];
        for (to, from) in self.values[to].chunks_mut(PIECE).zip(from.chunks(PIECE)) {
            let mut in_range = [0.0; PIECE];
            let (most, in_range) = (f16::MAX.to_f32(), &mut in_range[..from.len()]);
            in_range.iter_mut().zip(from).for_each(|(to, from)| *to = from.clamp(-most, most));
            to.convert_from_f32_slice(in_range);
        }
        Ok(())
    }

    /// Writes rows `range` of `from` over those from `first` on.
    pub(crate) fn copy_rows(&mut self, first: usize, from: &F16Matrix, range: Range<usize>) -> Result<()> {
        let to = self.place(first, from.shape(), &range)?;
        self.values[to].copy_from_slice(&from.values[range.start * self.cols..range.end * self.cols]);
        Ok(())
    }

    /// The same of rows of its own.
    pub(crate) fn move_rows(&mut self, first: usize, range: Range<usize>) -> Result<()> {
        let to = self.place(first, self.shape(), &range)?;
        self.values.copy_within(range.start * self.cols..range.end * self.cols, to.start);
        Ok(())
    }

    /// Where rows `range` of a matrix of that shape go, written from row `first` on.
    fn place(&self, first: usize, shape: (usize, usize), range: &Range<usize>) -> Result<Range<usize>> {
        if shape.1 == self.cols && range.end <= shape.0 && first + range.len() <= self.rows {
            return Ok(first * self.cols..(first + range.len()) * self.cols);
        }
        let message = format!("rows {range:?} of {shape:?} written at row {first} of {:?}", self.shape());
        Err(Error::new(Code::Internal, message))
    }
}

/// What rows of keys and values consist of.
pub(crate) trait Element: Copy + Send + Sync {
    /// The elements as they are, where they are f32.
    fn as_f32(elements: &[Self]) -> Option<&[f32]>;

    /// `to` = `from`, which is as long.
    fn to_f32(from: &[Self], to: &mut [f32]);
}

impl Element for f32 {
    fn as_f32(elements: &[f32]) -> Option<&[f32]> {
        Some(elements)
    }

    fn to_f32(from: &[f32], to: &mut [f32]) {
        to.copy_from_slice(from);
    }
}

impl Element for f16 {
    fn as_f32(_: &[f16]) -> Option<&[f32]> {
        None
    }

    fn to_f32(from: &[f16], to: &mut [f32]) {
        assert_eq!(from.len(), to.len(), "elements of two rows");
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx") && is_x86_feature_detected!("f16c") {
            // SAFETY: the CPU has both.
            return unsafe { to_f32_f16c(from, to) };
        }
        from.convert_to_f32_slice(to);
    }
}

/// A row in one loop: `half` has a function of its own for every eight elements, which is not inlined.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx,f16c")]
fn to_f32_f16c(from: &[f16], to: &mut [f32]) {
    use std::arch::x86_64::{_mm_loadu_si128, _mm256_cvtph_ps, _mm256_storeu_ps};
    let ((eights, rest), (to, to_rest)) = (from.as_chunks::<8>(), to.as_chunks_mut::<8>());
    for (from, to) in eights.iter().zip(to) {
        // SAFETY: eight numbers of 16 bits, eight of 32.
        unsafe { _mm256_storeu_ps(to.as_mut_ptr(), _mm256_cvtph_ps(_mm_loadu_si128(from.as_ptr().cast()))) };
    }
    rest.iter().zip(to_rest).for_each(|(from, to)| *to = from.to_f32());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tensor::Device;

    #[test]
    fn rows_are_rounded_to_nearest_and_stay_finite() {
        let given = vec![1.0, 1.0 + 2f32.powi(-12), -2049.0, 1e9, -f32::INFINITY, f32::NAN];
        let from = Matrix::new(2, 3, given, &Device::host()).unwrap();
        let mut matrix = F16Matrix::zeros(3, 3).unwrap();
        matrix.round_rows(1, &from, 0..2).unwrap();
        let mut found = [0.0; 9];
        Element::to_f32(matrix.values(), &mut found);
        assert_eq!(found[..8], [0.0, 0.0, 0.0, 1.0, 1.0, -2048.0, 65504.0, -65504.0]);
        assert!(found[8].is_nan(), "what is no number stays none");
        matrix.move_rows(0, 1..2).unwrap();
        let mut other = F16Matrix::zeros(1, 3).unwrap();
        other.copy_rows(0, &matrix, 0..1).unwrap();
        assert_eq!(other.values(), &matrix.values()[..3]);
        assert_eq!(other.values()[2].to_f32(), -2048.0);
        assert!(matrix.round_rows(2, &from, 0..2).is_err() && other.copy_rows(0, &matrix, 3..4).is_err());
    }

    #[test]
    fn every_number_of_f16_is_the_same_in_f32() {
        let all: Vec<f16> = (0..=u16::MAX).map(f16::from_bits).collect();
        for part in [&all[..], &all[1..], &all[..7]] {
            let mut found = vec![0.0; part.len()];
            Element::to_f32(part, &mut found);
            let same = |(found, from): (&f32, &f16)| found.to_bits() == from.to_f32().to_bits() || found.is_nan();
            assert!(found.iter().zip(part).all(same));
        }
    }
}
