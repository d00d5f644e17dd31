//! Charts as SVG text.

use crate::adapter::calibration::Reliability;
use std::fmt::Write;

const COLOURS: [&str; 6] = ["#1769aa", "#c2410c", "#15803d", "#7e22ce", "#a16207", "#64748b"];
/// Of a chart's inside, and the space around it for labels.
const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 260.0;
const SIDE: f64 = 300.0;
const MARGIN: f64 = 44.0;
/// Greatest to least loss from which on the axis is logarithmic, and the least share of the greatest that it shows.
const LOG_FROM: f64 = 20.0;
const SMALLEST_SHARE: f64 = 1e-6;

/// Text that means itself in HTML and SVG.
pub(super) fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            c if c.is_control() => escaped.push(' '),
            c => escaped.push(c),
        }
    }
    escaped
}

/// The beginning of a chart with a frame around its inside.
fn frame(width: f64, height: f64) -> String {
    let (outer_width, outer_height) = (width + 2.0 * MARGIN, height + 2.0 * MARGIN);
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {outer_width} {outer_height}\" width=\"{outer_width}\" height=\"{outer_height}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n<rect x=\"{MARGIN}\" y=\"{MARGIN}\" width=\"{width}\" height=\"{height}\" fill=\"none\" stroke=\"#bbb\"/>\n"
    )
}

fn text(svg: &mut String, [x, y]: [f64; 2], anchor: &str, content: &str) {
    let _ = writeln!(
        svg,
        "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" fill=\"#444\">{}</text>",
        escaped(content)
    );
}

/// From a loss to its height in a chart.
struct Scale {
    low: f64,
    high: f64,
    /// What is learnt late would lie on the floor of a chart whose losses begin a hundred times as high.
    is_log: bool,
}

impl Scale {
    fn of(losses: impl Iterator<Item = f64> + Clone) -> Self {
        let high = losses.clone().fold(0.0, f64::max).max(1e-9);
        let low = losses.fold(high, f64::min).max(high * SMALLEST_SHARE);
        let is_log = high > LOG_FROM * low;
        Scale { low: if is_log { low } else { 0.0 }, high, is_log }
    }

    /// 0 at the floor, 1 at the top.
    fn height(&self, loss: f64) -> f64 {
        let loss = loss.clamp(self.low, self.high);
        match self.is_log {
            true => (loss / self.low).ln() / (self.high / self.low).ln(),
            false => loss / self.high,
        }
    }

    /// Losses that are labelled.
    fn ticks(&self) -> Vec<f64> {
        if !self.is_log {
            return vec![0.0, self.high / 2.0, self.high];
        }
        let decades = self.low.log10().ceil() as i32..=self.high.log10().floor() as i32;
        let steps = decades.clone().map(|power| 10f64.powi(power));
        let is_apart = |tick: &f64| [self.low, self.high].iter().all(|end| (tick / end).ln().abs() > 0.5);
        std::iter::once(self.low).chain(steps.filter(is_apart)).chain([self.high]).collect()
    }
}

/// Lines over steps. Those of folds are alike, thin, and have one entry in the legend.
pub(super) fn lines(lines: Vec<(&str, &[(u64, f64)])>) -> String {
    let points = || lines.iter().flat_map(|line| line.1).filter(|point| point.1.is_finite());
    let most_steps = points().map(|point| point.0).max().unwrap_or(1).max(1) as f64;
    let scale = Scale::of(points().map(|point| point.1));
    let place = |step: u64, loss: f64| {
        (MARGIN + WIDTH * step as f64 / most_steps, MARGIN + HEIGHT * (1.0 - scale.height(loss)))
    };
    let mut svg = frame(WIDTH, HEIGHT);
    for tick in scale.ticks() {
        let (_, y) = place(0, tick);
        let _ = writeln!(
            svg,
            "<line x1=\"{MARGIN}\" y1=\"{y:.1}\" x2=\"{:.1}\" y2=\"{y:.1}\" stroke=\"#eee\"/>",
            MARGIN + WIDTH
        );
        text(&mut svg, [MARGIN - 6.0, y + 4.0], "end", &short(tick));
    }
    text(&mut svg, [MARGIN + WIDTH, MARGIN + HEIGHT + 18.0], "end", &format!("步 step {most_steps}"));
    let mut legend: Vec<(&str, &str)> = Vec::new();
    for (at, (name, points)) in lines.iter().enumerate() {
        let (label, colour, width) = match *name {
            name if name.starts_with("fold-") => ("各折验证 folds", "#94a3b8", 1.0),
            "train" => ("训练 training", COLOURS[1], 2.0),
            "validation" => ("验证 validation", COLOURS[0], 2.0),
            other => (other, COLOURS[2 + at % (COLOURS.len() - 2)], 2.0),
        };
        let _ = write!(svg, "<polyline fill=\"none\" stroke=\"{colour}\" stroke-width=\"{width}\" points=\"");
        for &(step, loss) in points.iter().filter(|point| point.1.is_finite()) {
            let (x, y) = place(step, loss);
            let _ = write!(svg, "{x:.1},{y:.1} ");
        }
        svg.push_str("\"/>\n");
        if !legend.iter().any(|known| known.0 == label) {
            legend.push((label, colour));
        }
    }
    for (at, (label, colour)) in legend.into_iter().enumerate() {
        let y = MARGIN + 16.0 + 16.0 * at as f64;
        let x = MARGIN + WIDTH - 130.0;
        let _ = writeln!(svg, "<rect x=\"{x:.1}\" y=\"{:.1}\" width=\"10\" height=\"10\" fill=\"{colour}\"/>", y - 9.0);
        text(&mut svg, [x + 16.0, y], "start", label);
    }
    svg + "</svg>\n"
}

/// With three digits that say something; below 1 with two, which fit beside a chart.
fn short(value: f64) -> String {
    let before = if value > 0.0 { value.log10().floor() as i32 } else { 0 };
    let digits = (if value < 1.0 { 1 } else { 2 } - before).clamp(0, 6) as usize;
    let text = format!("{value:.digits$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

/// Confidence against the share that was right: on the diagonal, both are the same. A bin's circle grows with its number.
pub(super) fn reliability(reliability: &Reliability) -> String {
    let place = |confidence: f64, right: f64| (MARGIN + SIDE * confidence, MARGIN + SIDE * (1.0 - right));
    let mut svg = frame(SIDE, SIDE);
    let ((x1, y1), (x2, y2)) = (place(0.0, 0.0), place(1.0, 1.0));
    let _ =
        writeln!(svg, "<line x1=\"{x1}\" y1=\"{y1}\" x2=\"{x2}\" y2=\"{y2}\" stroke=\"#bbb\" stroke-dasharray=\"4\"/>");
    let all = reliability.bins.iter().map(|bin| bin.count).sum::<usize>().max(1) as f64;
    for bin in reliability.bins.iter().filter(|bin| bin.count > 0) {
        let (x, y) = place(bin.confidence, bin.right);
        let radius = 3.0 + 14.0 * (bin.count as f64 / all).sqrt();
        let _ = writeln!(
            svg,
            "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{radius:.1}\" fill=\"{}\" fill-opacity=\"0.6\"/>",
            COLOURS[0]
        );
        text(&mut svg, [x, y - radius - 3.0], "middle", &bin.count.to_string());
    }
    text(&mut svg, [MARGIN + SIDE / 2.0, MARGIN + SIDE + 30.0], "middle", "置信度 confidence");
    let _ = writeln!(
        svg,
        "<text transform=\"translate(14 {:.1}) rotate(-90)\" text-anchor=\"middle\" fill=\"#444\">正确的比例 share that was right</text>",
        MARGIN + SIDE / 2.0
    );
    for (at, label) in [(0.0, "0"), (0.5, "0.5"), (1.0, "1")] {
        text(&mut svg, [MARGIN + SIDE * at, MARGIN + SIDE + 14.0], "middle", label);
        text(&mut svg, [MARGIN - 6.0, MARGIN + SIDE * (1.0 - at) + 4.0], "end", label);
    }
    svg + "</svg>\n"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapter::calibration::Bin;

    #[test]
    fn charts_hold_finite_places_inside_the_frame() {
        let chart = lines(vec![("train", &[(1, 2.0), (5, f64::NAN), (10, 1.0)]), ("a<b", &[])]);
        assert!(chart.contains("points=\"108.0,44.0 684.0,174.0 \"") && chart.contains("a&lt;b"), "{chart}");
        assert!(!chart.contains("NaN") && !lines(Vec::new()).contains("NaN"));
        // A loss that falls to a hundredth: equal factors are equally high, and each fold is not in the legend.
        let points: &[(u64, f64)] = &[(0, 8.0), (5, 0.8), (10, 0.08)];
        let falling = lines(vec![("fold-1/validation", points), ("fold-2/validation", points), ("train", points)]);
        assert!(falling.contains("points=\"44.0,44.0 364.0,174.0 684.0,304.0 \""), "{falling}");
        assert_eq!(falling.matches("folds</text>").count(), 1);
        for label in [">8<", ">1<", ">0.08<"] {
            assert!(falling.contains(label), "{falling}");
        }
        assert!(!lines(vec![("train", &[(1, 0.0), (2, 7.0)])]).contains("NaN"));
        assert_eq!([7.8712, 0.0379, 123.4, 0.0].map(short), ["7.87", "0.038", "123", "0"]);
        let bins = vec![
            Bin { count: 3, confidence: 0.5, right: 1.0 },
            Bin { count: 0, confidence: f64::NAN, right: f64::NAN },
        ];
        let diagram = reliability(&Reliability { ece: 0.1, brier: 0.1, auc: None, bins });
        assert!(diagram.contains("cx=\"194.0\" cy=\"44.0\"") && !diagram.contains("NaN"), "{diagram}");
    }
}
