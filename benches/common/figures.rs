//! What many measurements come to, and how a table shows it.

/// The middle one; the mean of the two in the middle if they are an even number.
pub fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() % 2 {
        1 => Some(values[middle]),
        _ if values.is_empty() => None,
        _ => Some(0.5 * (values[middle - 1] + values[middle])),
    }
}

/// A number in a table.
pub fn figure(value: Option<f64>, decimals: usize) -> String {
    value.map_or("-".to_owned(), |value| format!("{value:.decimals$}"))
}
