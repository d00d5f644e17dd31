//! The keys and values of one sequence alone: a pool with one table.

use super::kv_pool::{BlockTable, KvPool};
use crate::error::{Code, Error, Result};

/// What one sequence has read.
#[derive(Debug)]
pub(crate) struct KvCache {
    pub(super) pool: KvPool,
    pub(super) table: BlockTable,
    capacity: usize,
}

impl KvCache {
    pub(super) fn new(pool: KvPool, capacity: usize) -> Self {
        KvCache { pool, table: BlockTable::default(), capacity }
    }

    /// Tokens held.
    pub(crate) fn len(&self) -> usize {
        self.table.len()
    }

    /// Tokens that fit.
    pub(crate) fn capacity(&self) -> usize {
        self.capacity
    }

    /// Forgets all but the first `len` tokens.
    pub(crate) fn truncate(&mut self, len: usize) {
        self.pool.truncate(&mut self.table, len);
    }

    /// An independent copy.
    pub(crate) fn duplicate(&self) -> Result<Self> {
        let mut pool = self.pool.duplicate()?;
        let table = pool.fork(&self.table);
        Ok(KvCache { pool, table, capacity: self.capacity })
    }

    pub(super) fn check_room(&self, tokens: usize) -> Result<()> {
        if self.len() + tokens <= self.capacity {
            return Ok(());
        }
        Err(Error::new(
            Code::ContextLength,
            format!("{} tokens do not fit: the cache holds {} of at most {}", tokens, self.len(), self.capacity),
        ))
    }
}
