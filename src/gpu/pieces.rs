//! Recorded work in pieces. A card begins with the first of them while the host still asks for the others.

use super::Backend;
use super::work::{Graph, Note, Work, perform_all};
use crate::error::Result;
use std::ops::Range;

/// Work of the first piece, which is small, so that the card begins soon. Each further piece has twice as much: the host asks
/// for that much while a card does half of it.
const FIRST: usize = 24;

/// Notes whose work is done in one.
pub(super) struct Piece {
    notes: Range<usize>,
    /// Absent where a card can do no better than step by step.
    graph: Option<Box<dyn Graph>>,
}

impl Piece {
    /// The pieces of all notes.
    ///
    /// # Safety
    /// As for [`Backend::graph`].
    pub(super) unsafe fn all_of(notes: &[Note], backend: &dyn Backend) -> Result<Vec<Self>> {
        let piece = |notes_of: Range<usize>| {
            let work: Vec<&Work> = notes[notes_of.clone()].iter().filter_map(Note::work).collect();
            // SAFETY: the caller's.
            let graph = unsafe { backend.graph(&work)? };
            Ok(Piece { notes: notes_of, graph })
        };
        ranges(notes).into_iter().map(piece).collect()
    }

    /// Whether all of it is among the first so many notes.
    pub(super) fn is_of(&self, asked: usize) -> bool {
        self.notes.end <= asked
    }

    /// Does its work.
    ///
    /// # Safety
    /// As for [`Graph::launch`].
    pub(super) unsafe fn perform(&self, notes: &[Note], backend: &dyn Backend) -> Result<()> {
        match &self.graph {
            // SAFETY: the caller's.
            Some(graph) => unsafe { graph.launch() },
            // SAFETY: as above.
            None => unsafe { perform_all(backend, &notes[self.notes.clone()]) },
        }
    }
}

/// Where pieces begin and end among the notes: each behind its last work.
fn ranges(notes: &[Note]) -> Vec<Range<usize>> {
    let ends: Vec<usize> = (1..=notes.len()).filter(|end| notes[end - 1].work().is_some()).collect();
    let (mut ranges, mut begin, mut done, mut size) = (Vec::new(), 0, 0, FIRST);
    while done < ends.len() {
        // What would be left is no piece of its own.
        let left = ends.len() - done;
        done += if left < 2 * size { left } else { size };
        ranges.push(begin..ends[done - 1]);
        (begin, size) = (ends[done - 1], 2 * size);
    }
    ranges
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_of_all_work_and_grow() {
        let note = |index: usize| match index % 3 {
            0 => Note::GiveBack { address: index as u64 },
            _ => Note::Work(Work::Clear { address: index as u64, bytes: 1 }),
        };
        let work = |range: &Range<usize>| range.clone().filter(|index| index % 3 != 0).count();
        for (notes, expected) in [(0, vec![]), (1, vec![]), (2, vec![1]), (60, vec![40]), (450, vec![24, 48, 96, 132])]
        {
            let notes: Vec<Note> = (0..notes).map(note).collect();
            let ranges = ranges(&notes);
            assert_eq!(ranges.iter().map(work).collect::<Vec<_>>(), expected);
            assert!(ranges.windows(2).all(|pair| pair[0].end == pair[1].start));
            assert!(ranges.iter().all(|range| notes[range.end - 1].work().is_some()));
        }
    }
}
