//! A draft as Word's markup: tracked insertions, with a comment over each conclusion; and what stands around it.

use super::words::Words;
use super::xml::{Element, Node};
use std::ops::Range;

/// How the text looks whose place is taken: its properties of the paragraph (`w:pPr`) and of the run (`w:rPr`).
#[derive(Debug, Clone, Default)]
pub(super) struct Look {
    pub(super) paragraph: Option<Element>,
    pub(super) run: Option<Element>,
}

/// Whose the insertions and comments are, and the numbers that they get.
pub(super) struct Marker<'a> {
    pub(super) author: &'a str,
    pub(super) date: Option<String>,
    /// The next number of an insertion or a bookmark.
    pub(super) next_id: u64,
    /// The next number of a comment.
    pub(super) next_comment: u64,
    /// The comments so far.
    pub(super) comments: Vec<Element>,
}

/// What a text becomes, in its order.
enum Piece<'a> {
    Text(&'a str),
    Break,
    Start(u64),
    End(u64),
}

impl Marker<'_> {
    pub(super) fn id(&mut self) -> String {
        self.next_id += 1;
        (self.next_id - 1).to_string()
    }

    fn stamped(&self, element: Element) -> Element {
        let element = element.with("w:author", self.author);
        match &self.date {
            Some(date) => element.with("w:date", date),
            None => element,
        }
    }

    fn insertion(&mut self, inside: Option<Element>) -> Element {
        let id = self.id();
        self.stamped(Element::new("w:ins").with("w:id", id)).holding(inside)
    }

    /// Takes up a comment, and gives its number.
    pub(super) fn comment(&mut self, lines: &[String]) -> u64 {
        let id = self.next_comment;
        self.next_comment += 1;
        let comment = self.stamped(Element::new("w:comment").with("w:id", id.to_string()));
        let lines = lines.iter().map(|line| Element::new("w:p").holding([run(line, None)]));
        self.comments.push(comment.with("w:initials", "AI").holding(lines));
        id
    }

    /// The paragraphs of a tracked text, `ranges` being its bytes under each comment. The mark of the last paragraph is no
    /// insertion: what is left when all is rejected is one empty paragraph.
    pub(super) fn paragraphs(&mut self, text: &str, ranges: &[(u64, Range<usize>)], look: &Look) -> Vec<Element> {
        let mut paragraphs = Vec::new();
        let mut inside = Vec::new();
        for piece in pieces(text, ranges) {
            match piece {
                Piece::Break => {
                    let mark = self.insertion(None);
                    let properties = with_tracked_mark(look.paragraph.clone(), mark);
                    paragraphs.push(paragraph(Some(properties), inside.split_off(0)));
                }
                piece => self.inside(&piece, look, &mut inside),
            }
        }
        paragraphs.push(paragraph(look.paragraph.clone(), inside));
        paragraphs
    }

    /// The same within a line of other text.
    pub(super) fn inline(&mut self, text: &str, ranges: &[(u64, Range<usize>)], look: &Look) -> Vec<Element> {
        let mut inside = Vec::new();
        for piece in pieces(text, ranges) {
            self.inside(&piece, look, &mut inside);
        }
        inside
    }

    fn inside(&mut self, piece: &Piece, look: &Look, out: &mut Vec<Element>) {
        let of_comment = |name: &str, id: u64| Element::new(name).with("w:id", id.to_string());
        match piece {
            Piece::Text(text) => out.push(self.insertion(Some(run(text, look.run.as_ref())))),
            Piece::Break => out.push(self.insertion(Some(Element::new("w:r").holding([Element::new("w:br")])))),
            Piece::Start(id) => out.push(of_comment("w:commentRangeStart", *id)),
            Piece::End(id) => {
                out.push(of_comment("w:commentRangeEnd", *id));
                // An insertion too: where it is rejected, the comment goes with it.
                let reference = Element::new("w:r").holding([of_comment("w:commentReference", *id)]);
                out.push(self.insertion(Some(reference)));
            }
        }
    }
}

fn pieces<'a>(text: &'a str, ranges: &[(u64, Range<usize>)]) -> Vec<Piece<'a>> {
    let mut marks: Vec<(usize, bool, u64)> = Vec::new();
    for (id, range) in ranges {
        marks.push((range.start, true, *id));
        marks.push((range.end, false, *id));
    }
    // What ends at a place ends before the next begins.
    marks.sort_unstable();
    let mut pieces = Vec::new();
    let mut at = 0;
    for (place, starts, id) in marks {
        push_lines(&text[at..place], &mut pieces);
        at = place;
        pieces.push(if starts { Piece::Start(id) } else { Piece::End(id) });
    }
    push_lines(&text[at..], &mut pieces);
    pieces
}

fn push_lines<'a>(text: &'a str, pieces: &mut Vec<Piece<'a>>) {
    for (number, line) in text.split('\n').enumerate() {
        if number > 0 {
            pieces.push(Piece::Break);
        }
        if !line.is_empty() {
            pieces.push(Piece::Text(line));
        }
    }
}

/// A run of text; tabs and line breaks are elements of their own.
pub(super) fn run(text: &str, properties: Option<&Element>) -> Element {
    let mut run = Element::new("w:r").holding(properties.cloned());
    for (number, line) in text.split('\n').enumerate() {
        if number > 0 {
            run.push(Element::new("w:br"));
        }
        for (number, part) in line.split('\t').enumerate() {
            if number > 0 {
                run.push(Element::new("w:tab"));
            }
            if !part.is_empty() {
                run.push(Element::new("w:t").with("xml:space", "preserve").text(part));
            }
        }
    }
    run
}

pub(super) fn paragraph(properties: Option<Element>, inside: Vec<Element>) -> Element {
    Element::new("w:p").holding(properties).holding(inside)
}

/// A paragraph's properties with its mark as an insertion. What ends a section belongs to the last paragraph alone.
fn with_tracked_mark(properties: Option<Element>, mark: Element) -> Element {
    let mut properties = properties.unwrap_or_else(|| Element::new("w:pPr"));
    properties.remove("w:sectPr");
    properties.remove("w:pPrChange");
    match properties.child_mut("w:rPr") {
        Some(run) => run.children.insert(0, Node::Element(mark)),
        None => properties.push(Element::new("w:rPr").holding([mark])),
    }
    properties
}

/// The fields of an input as a table of two columns.
pub(super) fn table(fields: &[(String, String)], words: &Words) -> Element {
    let sides = ["top", "left", "bottom", "right", "insideH", "insideV"];
    let border = |side: &str| {
        let border = Element::new(&format!("w:{side}")).with("w:val", "single").with("w:sz", "4");
        border.with("w:space", "0").with("w:color", "BFBFBF")
    };
    let width = |name: &str, kind: &str, width: &str| Element::new(name).with("w:w", width).with("w:type", kind);
    let properties = Element::new("w:tblPr")
        .holding([width("w:tblW", "pct", "5000"), Element::new("w:tblBorders").holding(sides.map(border))]);
    let columns = ["2600", "6400"];
    let grid = Element::new("w:tblGrid").holding(columns.map(|width| Element::new("w:gridCol").with("w:w", width)));
    let row = |texts: [&str; 2], is_head: bool| {
        let cells = columns.iter().zip(texts).map(|(column, text)| {
            let mut properties = Element::new("w:tcPr").holding([width("w:tcW", "dxa", column)]);
            if is_head {
                let shade = Element::new("w:shd").with("w:val", "clear").with("w:color", "auto");
                properties.push(shade.with("w:fill", "F2F2F2"));
            }
            let spacing = Element::new("w:pPr").holding([Element::new("w:spacing").with("w:after", "0")]);
            Element::new("w:tc").holding([properties, paragraph(Some(spacing), vec![run(text, None)])])
        });
        let head = is_head.then(|| Element::new("w:trPr").holding([Element::new("w:tblHeader")]));
        Element::new("w:tr").holding(head).holding(cells)
    };
    let head = row([words.field, words.value], true);
    let rows = fields.iter().map(|(name, value)| row([name.as_str(), value.as_str()], false));
    Element::new("w:tbl").holding([properties, grid, head]).holding(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_lie_around_their_text_and_the_last_mark_is_no_insertion() {
        let mut marker = Marker { author: "A", date: None, next_id: 5, next_comment: 0, comments: Vec::new() };
        let found = marker.paragraphs("a\tb\nc", &[(0, 0..3), (1, 4..5)], &Look::default());
        let texts: Vec<String> = found.iter().map(|paragraph| paragraph.document()).collect();
        let body = |text: &str| text.lines().nth(1).unwrap().replace(" w:author=\"A\"", "");
        assert_eq!(
            body(&texts[0]),
            "<w:p><w:pPr><w:rPr><w:ins w:id=\"7\"/></w:rPr></w:pPr><w:commentRangeStart w:id=\"0\"/><w:ins w:id=\"5\"><w:r>\
             <w:t xml:space=\"preserve\">a</w:t><w:tab/><w:t xml:space=\"preserve\">b</w:t></w:r></w:ins>\
             <w:commentRangeEnd w:id=\"0\"/><w:ins w:id=\"6\"><w:r><w:commentReference w:id=\"0\"/></w:r></w:ins></w:p>"
        );
        assert!(body(&texts[1]).starts_with("<w:p><w:commentRangeStart w:id=\"1\"/>"), "{}", texts[1]);
        assert_eq!(marker.inline("a\nb", &[], &Look::default()).len(), 3);
    }
}
