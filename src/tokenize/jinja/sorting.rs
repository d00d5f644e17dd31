//! Sorting by a comparison that may fail.

use super::Fault;
use super::run::Run;
use std::cmp::Ordering;

/// A stable sort whose comparison may fail.
pub(super) fn sort_by<T>(
    run: &Run,
    items: &mut [T],
    compare: impl Fn(&Run, &T, &T) -> Result<Ordering, Fault>,
) -> Result<(), Fault> {
    let mut failed = None;
    items.sort_by(|a, b| match (&failed, compare(run, a, b)) {
        (None, Ok(order)) => order,
        (None, Err(fault)) => {
            failed = Some(fault);
            Ordering::Equal
        }
        _ => Ordering::Equal,
    });
    failed.map_or(Ok(()), Err)
}
