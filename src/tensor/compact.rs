//! A matrix in host memory whose numbers are rounded: what is written once, kept long and read often, in fewer bytes.

use super::buffers;
use super::element::Rounded;
use super::matrix::Matrix;
use crate::error::{Code, Error, Result};
use std::ops::Range;

/// `[rows, cols]`
#[derive(Debug)]
pub(crate) struct CompactMatrix<E> {
    rows: usize,
    /// A multiple of the numbers of an element.
    cols: usize,
    elements: Vec<E>,
}

impl<E: Rounded> CompactMatrix<E> {
    pub(crate) fn zeros(rows: usize, cols: usize) -> Result<Self> {
        if !cols.is_multiple_of(E::WIDTH) {
            return Err(Error::new(Code::Internal, format!("rows of {cols} numbers in elements of {}", E::WIDTH)));
        }
        // SAFETY: zero bytes are an element.
        let elements = unsafe { buffers::zeroed(rows.saturating_mul(cols / E::WIDTH))? };
        Ok(CompactMatrix { rows, cols, elements })
    }

    /// `(rows, columns)`
    pub(crate) fn shape(&self) -> (usize, usize) {
        (self.rows, self.cols)
    }

    /// The elements, row by row.
    pub(crate) fn elements(&self) -> &[E] {
        &self.elements
    }

    /// Writes rows `range` of `from` over those from `first` on, rounded.
    pub(crate) fn round_rows(&mut self, first: usize, from: &Matrix, range: Range<usize>) -> Result<()> {
        let to = self.place(first, from.shape(), &range)?;
        E::round(&from.slice()?[range.start * self.cols..range.end * self.cols], &mut self.elements[to]);
        Ok(())
    }

    /// Writes rows `range` of `from` over those from `first` on.
    pub(crate) fn copy_rows(&mut self, first: usize, from: &Self, range: Range<usize>) -> Result<()> {
        let to = self.place(first, from.shape(), &range)?;
        self.elements[to].copy_from_slice(&from.elements[from.row(range.start)..from.row(range.end)]);
        Ok(())
    }

    /// The same of rows of its own.
    pub(crate) fn move_rows(&mut self, first: usize, range: Range<usize>) -> Result<()> {
        let to = self.place(first, self.shape(), &range)?;
        let from = self.row(range.start)..self.row(range.end);
        self.elements.copy_within(from, to.start);
        Ok(())
    }

    /// The first element of a row.
    fn row(&self, row: usize) -> usize {
        row * (self.cols / E::WIDTH)
    }

    /// Where rows `range` of a matrix of that shape go, written from row `first` on.
    fn place(&self, first: usize, shape: (usize, usize), range: &Range<usize>) -> Result<Range<usize>> {
        if shape.1 == self.cols && range.end <= shape.0 && first + range.len() <= self.rows {
            return Ok(self.row(first)..self.row(first + range.len()));
        }
        let message = format!("rows {range:?} of {shape:?} written at row {first} of {:?}", self.shape());
        Err(Error::new(Code::Internal, message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tensor::{Device, EightBits};
    use half::f16;

    #[test]
    fn rows_are_rounded_copied_and_moved() {
        rows_of::<f16>(3);
        rows_of::<EightBits>(96);
    }

    fn rows_of<E: Rounded + std::fmt::Debug>(cols: usize) {
        // Whole numbers up to 127 are the same in all of these types.
        let given: Vec<f32> =
            (0..2 * cols).map(|at| if at % 3 == 0 { 127.0 } else { (at % 100) as f32 - 50.0 }).collect();
        let from = Matrix::new(2, cols, given.clone(), &Device::host()).unwrap();
        let values = |matrix: &CompactMatrix<E>| {
            let mut found = vec![0.0; matrix.rows * matrix.cols];
            E::to_f32(matrix.elements(), &mut found);
            found
        };
        let mut matrix = CompactMatrix::<E>::zeros(3, cols).unwrap();
        matrix.round_rows(1, &from, 0..2).unwrap();
        assert_eq!(values(&matrix), [&vec![0.0; cols], &given[..]].concat());
        matrix.move_rows(0, 2..3).unwrap();
        let mut other = CompactMatrix::<E>::zeros(1, cols).unwrap();
        other.copy_rows(0, &matrix, 0..1).unwrap();
        assert_eq!(values(&other), given[cols..]);
        assert!(matrix.round_rows(2, &from, 0..2).is_err() && other.copy_rows(0, &matrix, 3..4).is_err());
        assert_eq!(CompactMatrix::<E>::zeros(1, E::WIDTH + 1).is_err(), E::WIDTH > 1);
    }
}
