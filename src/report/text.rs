//! Numbers and labels as people read them.

/// Advance widths in thousandths of an em. The metrics of Helvetica and Arial, raised by [`ROOM`]: system fonts of
/// browsers are up to a fifth wider.
fn advance(letter: char) -> f64 {
    match letter {
        '0'..='9' | 'a' | 'b' | 'd' | 'e' | 'g' | 'h' | 'n' | 'o' | 'p' | 'q' | 'u' => 556.0,
        ' ' | '.' | ',' | ':' | ';' | '!' | '|' | '/' | '\\' | 'I' | 'f' | 't' | '[' | ']' => 278.0,
        'i' | 'j' | 'l' | '\'' => 222.0,
        'c' | 'k' | 's' | 'v' | 'x' | 'y' | 'z' | 'J' => 500.0,
        'r' | '(' | ')' | '-' | '·' => 333.0,
        'w' | 'C' | 'D' | 'H' | 'N' | 'R' | 'U' => 722.0,
        'm' | 'M' => 833.0,
        'A' | 'B' | 'E' | 'K' | 'P' | 'S' | 'V' | 'X' | 'Y' | '&' => 667.0,
        'F' | 'T' | 'Z' | 'L' => 611.0,
        'G' | 'O' | 'Q' => 778.0,
        'W' | '%' | '@' | '—' | '…' => 1000.0,
        '−' | '×' | '–' | '+' | '=' | '<' | '>' => 584.0,
        // Latin, Greek and Cyrillic letters; from here on scripts whose letters fill a square.
        '\u{a0}'..='\u{2e7f}' => 640.0,
        letter if letter.is_ascii() => 600.0,
        _ => 1000.0,
    }
}

/// What every width is multiplied with.
const ROOM: f64 = 1.19;

/// The letters of a label that are looked at: no picture has room for more.
const MOST_LETTERS: usize = 300;

/// The width of a text in a size, in pixels; never less than in the fonts of common systems.
pub fn width(text: &str, size: f64) -> f64 {
    text.chars().map(advance).sum::<f64>() * size * ROOM / 1000.0
}

/// The text if it fits into so many pixels, or as much of it as fits with an ellipsis.
pub fn cut(text: &str, room: f64, size: f64) -> String {
    if text.chars().nth(MOST_LETTERS).is_none() && width(text, size) <= room {
        return text.to_owned();
    }
    let mut rest = room - width("…", size);
    let fits = |letter: &char| {
        rest -= advance(*letter) * size * ROOM / 1000.0;
        rest >= 0.0
    };
    let mut kept: String = text.chars().take(MOST_LETTERS).take_while(fits).collect();
    kept.truncate(kept.trim_end().len());
    kept.push('…');
    kept
}

/// The text in at most so many lines of this room, broken at blanks; the last one is left as it is.
pub fn wrap(text: &str, room: f64, size: f64, lines: usize) -> Vec<String> {
    let mut wrapped: Vec<String> = Vec::new();
    for word in text.split(' ') {
        let n = wrapped.len();
        match wrapped.last_mut() {
            Some(line) if n == lines || width(&format!("{line} {word}"), size) <= room => {
                line.push(' ');
                line.push_str(word);
            }
            _ => wrapped.push(word.to_owned()),
        }
    }
    wrapped
}

/// A text without what could change how its surroundings are read: control characters, and marks that turn the
/// direction of writing, are shown as U+FFFD.
pub fn plain(text: &str) -> String {
    let shown = |letter: char| match letter {
        '\n' | '\t' => ' ',
        '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{61c}' => '\u{fffd}',
        letter if letter.is_control() => '\u{fffd}',
        letter => letter,
    };
    text.chars().map(shown).collect()
}

/// How the values of a chart are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// With as many decimals as its size needs.
    #[default]
    Number,
    /// A share of 1 as a percentage.
    Percent,
    /// A factor: ×1.25.
    Ratio,
}

impl Format {
    /// A value by itself.
    pub fn value(self, value: f64) -> String {
        match self {
            Self::Number => number(value),
            // Nearly nothing is not nothing, and nearly all is not all.
            Self::Percent if value > 0.0 && value < 0.0005 => "<0.1\u{a0}%".to_owned(),
            Self::Percent if (0.995..1.0).contains(&value) => {
                format!("{}\u{a0}%", decimals((1000.0 * value).floor() / 10.0, 1))
            }
            Self::Percent => {
                let digits = usize::from((value * 100.0).abs() < 9.95 && value != 0.0);
                format!("{}\u{a0}%", decimals(100.0 * value, digits))
            }
            Self::Ratio => format!("×{}", decimals(value, 2)),
        }
    }

    /// The mark of an axis whose marks are `step` apart.
    pub fn tick(self, value: f64, step: f64) -> String {
        let scale = if self == Self::Percent { 100.0 } else { 1.0 };
        let digits = (-(step * scale * 1.000_001).log10().floor()).clamp(0.0, 6.0) as usize;
        match self {
            Self::Percent => format!("{}\u{a0}%", decimals(scale * value, digits)),
            Self::Ratio => format!("×{}", decimals(value, digits)),
            Self::Number if value.abs() >= 10_000.0 => short(value, step),
            Self::Number => decimals(value, digits),
        }
    }
}

/// Thousands and millions of an axis; what is between two marks decides the decimals.
fn short(value: f64, step: f64) -> String {
    let (unit, name) = [(1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")]
        .into_iter()
        .find(|(unit, _)| value.abs() >= *unit)
        .unwrap_or((1.0, ""));
    let digits = (-(step / unit * 1.000_001).log10().floor()).clamp(0.0, 3.0) as usize;
    format!("{}{name}", decimals(value / unit, digits))
}

/// A number with as many decimals as its size needs, thousands apart.
pub fn number(value: f64) -> String {
    let digits = match value.abs() {
        _ if value == value.trunc() => 0,
        size if size >= 100.0 => 0,
        size if size >= 10.0 => 1,
        size if size >= 0.095 => 2,
        _ => 4,
    };
    decimals(value, digits)
}

/// A number with so many decimals, thousands apart, with a true minus; beyond 10¹⁵ as a power.
pub fn decimals(value: f64, digits: usize) -> String {
    if value.abs() >= 1e15 {
        return format!("{value:.2e}").replace('-', "−");
    }
    let text = format!("{:.digits$}", value.abs());
    let (whole, rest) = text.split_at(text.find('.').unwrap_or(text.len()));
    let is_zero = text.bytes().all(|byte| matches!(byte, b'0' | b'.'));
    let mut shown = if value < 0.0 && !is_zero {
        "−".to_owned()
    } else {
        String::new()
    };
    for (place, digit) in whole.char_indices() {
        if place > 0 && (whole.len() - place).is_multiple_of(3) {
            shown.push(',');
        }
        shown.push(digit);
    }
    shown + rest
}

/// Round numbers, equally far apart by 1, 2 or 5 times a power of ten, that cover `low` to `high`: about `wanted`.
pub fn ticks(low: f64, high: f64, wanted: usize) -> Vec<f64> {
    // A range that is nothing beside its numbers has no marks of its own.
    let is_range = high - low > 1e-9 * low.abs().max(high.abs());
    let high = if is_range { high } else { low + low.abs().max(1.0) };
    let raw = (high - low) / wanted.max(1) as f64;
    let power = 10f64.powf(raw.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0]
        .into_iter()
        .map(|factor| factor * power)
        .find(|step| *step >= raw * 0.999)
        .unwrap_or(raw);
    let (first, last) = ((low / step + 1e-9).floor(), (high / step - 1e-9).ceil());
    let n = ((last - first) as usize).min(2 * wanted + 4);
    (0..=n).map(|place| (first + place as f64) * step).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn numbers_are_written_as_people_read_them() {
        let written = [0.0, -0.001, 1.0, 2.345, 12.34, 1234.5, -1_234_567.0, 0.004_56].map(number);
        assert_eq!(
            written,
            ["0", "−0.0010", "1", "2.35", "12.3", "1,234", "−1,234,567", "0.0046"]
        );
        assert_eq!(Format::Percent.value(0.057), "5.7\u{a0}%");
        assert_eq!(Format::Percent.value(0.57), "57\u{a0}%");
        let shares = [0.0, 0.0001, 0.9989, 0.999_99, 1.0].map(|share| Format::Percent.value(share));
        assert_eq!(
            shares,
            ["0\u{a0}%", "<0.1\u{a0}%", "99.8\u{a0}%", "99.9\u{a0}%", "100\u{a0}%"]
        );
        assert_eq!(Format::Ratio.value(1.5), "×1.50");
        assert_eq!(Format::Number.tick(25_000.0, 5_000.0), "25k");
        assert_eq!(Format::Number.tick(2_500_000.0, 500_000.0), "2.5M");
        assert_eq!(Format::Percent.tick(0.025, 0.005), "2.5\u{a0}%");
        assert_eq!(number(-0.000_001), "0.0000");
    }

    #[test]
    fn labels_are_cut_to_their_room() {
        assert_eq!(cut("cart", 100.0, 12.0), "cart");
        let long = cut(&"W".repeat(400), 100.0, 12.0);
        assert!(long.ends_with('…') && width(&long, 12.0) <= 100.0, "{long}");
        assert_eq!(cut("cart", 0.0, 12.0), "…");
    }

    #[test]
    fn nothing_turns_the_text_around() {
        assert_eq!(plain("a\u{202e}b\0c\nd"), "a\u{fffd}b\u{fffd}c d");
    }

    proptest! {
        #[test]
        fn ticks_are_round_and_cover(low in -1e300f64..1e300, span in 0f64..1e300, wanted in 1usize..9) {
            let high = low + span;
            let ticks = ticks(low, high, wanted);
            prop_assert!(ticks.len() >= 2 && ticks.len() <= 2 * wanted + 5, "{ticks:?}");
            prop_assert!(ticks.windows(2).all(|pair| pair[0] < pair[1]), "{ticks:?}");
            let slack = (ticks[1] - ticks[0]) * 1e-6;
            prop_assert!(ticks[0] <= low + slack && ticks[ticks.len() - 1] >= high - slack, "{ticks:?}");
        }
    }
}
