//! Which encoding bytes are in that are not UTF-8: GB18030 can be read, and almost any bytes can be read as it.

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::GBK;

/// So much text suffices.
const LOOKED_AT: usize = 1 << 20;
/// Characters that are too few for statistics.
const FEW: usize = 8;

/// The likeliest encoding, by the frequencies of its characters: `gb18030`, or the name of another.
pub(super) fn likely(body: &[u8]) -> &'static str {
    let mut detector = EncodingDetector::new(Iso2022JpDetection::Deny);
    let (mut common, mut left) = (Common::default(), LOOKED_AT);
    for line in body.split_inclusive(|&byte| byte == b'\n').filter(|line| !line.is_ascii()) {
        let line = &line[..line.len().min(left)];
        left -= line.len();
        detector.feed(line, false);
        common.count(line);
        if left == 0 {
            break;
        }
    }
    let guess = detector.guess(None, Utf8Detection::Deny);
    let is_asian = ["EUC-KR", "EUC-JP", "Big5", "Shift_JIS"].contains(&guess.name());
    // A damaged byte rules an encoding out for the detector; where it is, the decoder says.
    let by_its_looks = match common.hanzi {
        hanzi if hanzi < FEW && common.others == 0 => !is_asian || hanzi < 3,
        hanzi => !is_asian && common.others * 8 <= hanzi,
    };
    if guess == GBK || by_its_looks { "gb18030" } else { guess.name() }
}

/// Pairs of bytes as GB 2312 has them: the 3,755 commonest characters, and all others but punctuation.
#[derive(Default)]
struct Common {
    hanzi: usize,
    others: usize,
}

impl Common {
    fn count(&mut self, line: &[u8]) {
        let mut rest = line;
        loop {
            rest = match rest {
                [] | [_] => return,
                [first, tail @ ..] if first.is_ascii() => tail,
                // Four bytes: GB18030 alone has these.
                [_, b'0'..=b'9', 0x81..=0xFF, b'0'..=b'9', tail @ ..] => tail,
                [0xA1..=0xA9, 0xA1..=0xFF, tail @ ..] => tail,
                [first, second, tail @ ..] => {
                    let is_common = (0xB0..=0xD7).contains(first) && *second >= 0xA1;
                    *(if is_common { &mut self.hanzi } else { &mut self.others }) += 1;
                    tail
                }
            };
        }
    }
}
