//! The memory of a pool of buffers: which idle one is taken, and which are freed.

/// The shapes of what is made during a hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shapes {
    /// Those of one layer, again and again.
    Repeat,
    /// Others with each batch.
    Change,
}

/// In elements.
#[derive(Debug, Default)]
pub(super) struct Held {
    /// The one that came back last at the end.
    idle: Vec<Vec<f32>>,
    in_use: usize,
    /// What those who have it asked for.
    asked: usize,
    /// What was asked for at once, at most.
    most: usize,
}

impl Held {
    /// Counts `len` elements as in use, in an idle buffer if one fits: the smallest that is large enough and at most half as large
    /// again. If none does, room is made for a new one.
    pub(super) fn take(&mut self, len: usize, shapes: Shapes) -> Option<Vec<f32>> {
        let fits = |buffer: &Vec<f32>| (len..=len + len / 2).contains(&buffer.capacity());
        let fitting = self.idle.iter().enumerate().filter(|(_, buffer)| fits(buffer));
        let index = fitting.min_by_key(|(_, buffer)| buffer.capacity()).map(|(index, _)| index);
        let found = index.map(|index| self.idle.remove(index));
        self.in_use += found.as_ref().map_or(len, Vec::capacity);
        self.asked += len;
        self.most = self.most.max(self.asked);
        match (&found, shapes) {
            (Some(_), _) => {}
            (None, Shapes::Change) => self.free_beyond_most(),
            (None, Shapes::Repeat) => self.free_smaller(len),
        }
        found
    }

    /// Takes a buffer that is idle now.
    pub(super) fn give_back(&mut self, buffer: Vec<f32>, shapes: Shapes) {
        self.idle.push(buffer);
        if shapes == Shapes::Change {
            self.free_beyond_most();
        }
    }

    /// So many elements are in use no more, for which `asked` were asked for.
    pub(super) fn release(&mut self, elements: usize, asked: usize) {
        self.in_use -= elements;
        self.asked -= asked;
    }

    /// Frees all that is idle, and forgets what was in use before.
    pub(super) fn clear(&mut self) {
        self.idle.clear();
        self.most = self.asked;
    }

    /// Frees what is idle for longest until all is well below what was asked for at once before: other memory has its peak at
    /// another time.
    fn free_beyond_most(&mut self) {
        let bound = self.most - self.most / 8;
        let all = self.in_use + self.idle.iter().map(Vec::capacity).sum::<usize>();
        self.free(all.saturating_sub(bound));
    }

    /// Frees as much as is needed, if all that is idle is smaller.
    fn free_smaller(&mut self, len: usize) {
        if self.idle.iter().all(|buffer| buffer.capacity() < len) {
            self.free(len);
        }
    }

    /// Frees at least so many elements, if there are as many, those that are idle for longest.
    fn free(&mut self, elements: usize) {
        let mut freed = 0;
        self.idle.retain(|buffer| {
            let keep = freed >= elements;
            freed += buffer.capacity();
            keep
        });
    }

    /// Sizes of what is idle.
    #[cfg(test)]
    pub(super) fn idle(&self) -> impl Iterator<Item = usize> {
        self.idle.iter().map(Vec::capacity)
    }

    #[cfg(test)]
    pub(super) fn in_use(&self) -> usize {
        self.in_use
    }
}
