//! The names in a zip archive, from its directory at the end. A package has far fewer than 65,535 entries, so the old
//! form of the directory is enough.

/// `None` if it is no zip archive.
pub fn names(archive: &[u8]) -> Option<Vec<String>> {
    const END: &[u8] = b"PK\x05\x06";
    const ENTRY: &[u8] = b"PK\x01\x02";
    let end = &archive[archive.windows(END.len()).rposition(|window| window == END)?..];
    let mut rest = archive.get(number(end, 16, 4)?..)?;
    let mut names = Vec::new();
    for _ in 0..number(end, 10, 2)? {
        if !rest.starts_with(ENTRY) {
            return None;
        }
        let [name, extra, comment] = [28, 30, 32].map(|at| number(rest, at, 2));
        let (from, to) = (46, 46 + name?);
        names.push(String::from_utf8_lossy(rest.get(from..to)?).into_owned());
        rest = rest.get(to + extra? + comment?..)?;
    }
    Some(names)
}

/// The little-endian number of `size` bytes at `at`.
fn number(bytes: &[u8], at: usize, size: usize) -> Option<usize> {
    Some(bytes.get(at..at + size)?.iter().rev().fold(0, |number, byte| number << 8 | usize::from(*byte)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two empty files, `a` and `b/ä`, the second with a comment, as Python's zipfile writes them.
    #[test]
    fn entries_are_read_from_the_directory() {
        let entry = |name: &str, comment: &str| {
            let mut bytes = b"PK\x01\x02".to_vec();
            bytes.resize(46, 0);
            (bytes[28], bytes[32]) = (name.len() as u8, comment.len() as u8);
            [bytes, name.into(), comment.into()].concat()
        };
        let mut end = b"PK\x05\x06".to_vec();
        end.resize(22, 0);
        (end[10], end[16]) = (2, 5);
        let archive = [b"files".to_vec(), entry("a", ""), entry("b/ä", "PK"), end].concat();
        assert_eq!(names(&archive).unwrap(), ["a", "b/ä"]);
        assert_eq!(names(&archive[..archive.len() - 22]), None);
        assert_eq!(names(&archive[4..]), None);
    }
}
