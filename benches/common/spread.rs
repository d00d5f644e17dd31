//! How far measurements lie apart, and how a table shows it.

/// The lowest and the highest.
pub fn spread(values: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    values.map(|value| (value, value)).reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)))
}

/// A spread in a table.
pub fn range(spread: Option<(f64, f64)>) -> String {
    spread.map_or("-".to_owned(), |(low, high)| format!("{low:.2}–{high:.2}"))
}
