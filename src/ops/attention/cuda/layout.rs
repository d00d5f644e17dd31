//! Which rows belong together, as the kernels of a card read it: made once for the spans of a batch, used by its layers.

use super::Span;
use crate::error::{Code, Error, Result};
use crate::gpu::{Arg, Array, Gpu};
use std::cell::{OnceCell, RefCell};
use std::rc::Rc;

/// Queries of a span up to which `few.cu` works on it.
pub(super) const FEW: usize = 4;
/// Queries of a tile, or keys of one in backward.
const TILE: usize = 64;
/// Rows of a block of keys, where all runs of a sequence but the last are whole blocks: the 6th power of two.
const SHIFT: u32 = 6;

/// Pairs of a span and a tile of it.
pub(super) struct Tiles {
    pairs: Array,
    /// Those of spans with more than a few queries, which come first.
    pub(super) many: usize,
    pub(super) all: usize,
}

impl Tiles {
    /// Where those from `first` on begin.
    pub(super) fn starting_at(&self, first: usize) -> Arg {
        self.pairs.at(2 * first)
    }
}

/// The spans of a batch.
pub(super) struct Layout {
    gpu: Gpu,
    /// The repetition of a recording that it was made in, and is of use in.
    run: Option<u64>,
    of: Vec<Span>,
    spans: Array,
    table: Array,
    shift: u32,
    pub(super) queries: Tiles,
    keys: OnceCell<Tiles>,
    /// Keys of the span that has most.
    pub(super) most_keys: usize,
}

thread_local! {
    /// The layers of a model ask for the same one after the other.
    static LAST: RefCell<Option<Rc<Layout>>> = const { RefCell::new(None) };
}

/// Lets go of what this thread keeps.
pub(super) fn forget() {
    LAST.with_borrow_mut(Option::take);
}

impl Layout {
    pub(super) fn of(gpu: &Gpu, spans: &[Span]) -> Result<Rc<Self>> {
        LAST.with_borrow_mut(|last| match last {
            Some(last) if last.gpu.is_same(gpu) && last.run == gpu.run() && last.of == spans => Ok(last.clone()),
            _ => Ok(last.insert(Rc::new(Self::new(gpu, spans)?)).clone()),
        })
    }

    fn new(gpu: &Gpu, spans: &[Span]) -> Result<Self> {
        let whole = |span: &Span| span.keys.iter().rev().skip(1).all(|run| run.len() % (1 << SHIFT) == 0);
        let shift = if spans.iter().all(whole) { SHIFT } else { 0 };
        let (mut numbers, mut table) = (Vec::new(), Vec::new());
        for span in spans {
            numbers.extend(
                [span.queries.start, span.queries.len(), span.num_keys(), table.len()]
                    .map(index)
                    .into_iter()
                    .collect::<Result<Vec<_>>>()?,
            );
            for run in &span.keys {
                index(run.end)?;
                table.extend(run.clone().step_by(1 << shift).map(|row| row as u32));
            }
        }
        let queries =
            tiles(gpu, spans, |span| span.queries.len(), |span, end| span.num_keys() - span.queries.len() + end)?;
        Ok(Layout {
            gpu: gpu.clone(),
            run: gpu.run(),
            of: spans.to_vec(),
            spans: Array::upload_u32(gpu, &numbers)?,
            table: Array::upload_u32(gpu, &table)?,
            shift,
            queries,
            keys: OnceCell::new(),
            most_keys: spans.iter().map(Span::num_keys).max().unwrap_or(0),
        })
    }

    /// The tiles of keys, for backward.
    pub(super) fn keys(&self) -> Result<&Tiles> {
        if let Some(keys) = self.keys.get() {
            return Ok(keys);
        }
        let made = tiles(&self.gpu, &self.of, Span::num_keys, |span, end| span.num_keys() + TILE - end)?;
        Ok(self.keys.get_or_init(|| made))
    }

    /// The most queries of the spans that have few.
    pub(super) fn most_few(&self) -> usize {
        self.of.iter().map(|span| span.queries.len()).filter(|queries| *queries <= FEW).max().unwrap_or(0)
    }

    /// The arguments that say which rows belong together; `tiles` are those of the launch.
    pub(super) fn arguments(&self, tiles: Arg) -> [Arg; 4] {
        [self.spans.at(0), self.table.at(0), tiles, Arg::from(self.shift)]
    }
}

/// The tiles of all spans by `len`; `work` of a span's rows that end there: blocks that take longest begin first.
fn tiles(
    gpu: &Gpu,
    spans: &[Span],
    len: impl Fn(&Span) -> usize,
    work: impl Fn(&Span, usize) -> usize,
) -> Result<Tiles> {
    let mut tiles = Vec::new();
    for (number, span) in spans.iter().enumerate() {
        for tile in 0..len(span).div_ceil(TILE) {
            let end = len(span).min((tile + 1) * TILE);
            tiles.push((span.queries.len() <= FEW, std::cmp::Reverse(work(span, end)), index(number)?, index(tile)?));
        }
    }
    tiles.sort();
    let pairs: Vec<u32> = tiles.iter().flat_map(|(_, _, span, tile)| [*span, *tile]).collect();
    let many = tiles.iter().filter(|(few, ..)| !few).count();
    Ok(Tiles { pairs: Array::upload_u32(gpu, &pairs)?, many, all: tiles.len() })
}

fn index(value: usize) -> Result<u32> {
    u32::try_from(value).map_err(|_| Error::new(Code::Unsupported, format!("attention over {value} rows on a GPU")))
}
