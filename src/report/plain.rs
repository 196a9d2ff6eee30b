//! Charts as text, for a terminal.

use super::chart::{Chart, Kind, Mark};
use super::text::number;

/// Letters of a label at most.
const MOST_LABEL: usize = 24;

/// A chart as lines of text, its bars so many letters long.
pub fn text(chart: &Chart, width: usize) -> String {
    let body = match chart.kind {
        _ if !chart.has_data() => vec!["No data".to_owned()],
        Kind::HeatMap | Kind::Grid => shades(chart),
        Kind::Lines | Kind::Columns => sparks(chart),
        _ => bars(chart, width),
    };
    let texts = [chart.headline.clone()]
        .into_iter()
        .chain(body)
        .chain([chart.caption.clone()]);
    texts.filter(|line| !line.is_empty()).collect::<Vec<_>>().join("\n")
}

/// The text filled up with blanks, or cut.
fn padded(text: &str, letters: usize) -> String {
    let n = text.chars().count();
    if n <= letters {
        return format!("{text}{}", " ".repeat(letters - n));
    }
    let kept: String = text.chars().take(letters.saturating_sub(1)).collect();
    format!("{kept}…")
}

fn longest<'a>(names: impl Iterator<Item = &'a str>) -> usize {
    names
        .map(|name| name.chars().count())
        .max()
        .unwrap_or(0)
        .min(MOST_LABEL)
}

/// A bar from zero for each mark, in eighths of a letter.
fn bars(chart: &Chart, width: usize) -> Vec<String> {
    let names: Vec<String> = chart.marks.iter().map(name).collect();
    let room = longest(names.iter().map(String::as_str));
    let most = chart
        .marks
        .iter()
        .filter_map(|mark| mark.y)
        .fold(0.0, |most: f64, y| most.max(y.abs()));
    let values: Vec<String> = chart
        .marks
        .iter()
        .map(|mark| mark.y.map_or(String::new(), |y| chart.format.value(y)))
        .collect();
    let digits = values.iter().map(|value| value.chars().count()).max().unwrap_or(0);
    let rows = chart.marks.iter().zip(&names).zip(&values);
    rows.map(|((mark, name), value)| {
        let gap = " ".repeat(digits - value.chars().count());
        let filled = bar(mark.y.unwrap_or(0.0).abs() / most, width);
        format!("{} {gap}{value} {filled} {}", padded(name, room), mark.note)
            .trim_end()
            .to_owned()
    })
    .collect()
}

fn name(mark: &Mark) -> String {
    let parts: Vec<&str> = [mark.series.as_str(), mark.label.as_str()]
        .into_iter()
        .filter(|part| !part.is_empty())
        .collect();
    let x = mark.x.map_or(String::new(), number);
    if parts.is_empty() { x } else { parts.join(", ") }
}

fn bar(share: f64, width: usize) -> String {
    const PARTS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    let eighths = (share.clamp(0.0, 1.0) * width as f64 * 8.0).round() as usize;
    let filled = "█".repeat(eighths / 8) + PARTS[eighths % 8];
    padded(&filled, width)
}

/// A row of shades for each label.
fn shades(chart: &Chart) -> Vec<String> {
    const SHADES: [char; 5] = [' ', '░', '▒', '▓', '█'];
    let (rows, columns) = (chart.labels(), chart.series());
    let room = longest(rows.iter().copied());
    let size = |mark: &Mark| mark.size.or(mark.y);
    let most = chart.marks.iter().filter_map(size).fold(0.0, f64::max);
    rows.iter()
        .map(|row| {
            let shade = |column: &&str| {
                let found = chart
                    .marks
                    .iter()
                    .find(|mark| mark.label == *row && mark.series == **column)
                    .and_then(size);
                found.map_or(' ', |value| {
                    SHADES[(value / most * 4.0).clamp(0.0, 4.0).ceil() as usize]
                })
            };
            let cells: String = columns.iter().map(shade).collect();
            format!("{} {cells}", padded(row, room)).trim_end().to_owned()
        })
        .collect()
}

/// A small line for each series, from its least value to its largest, and its last one.
fn sparks(chart: &Chart) -> Vec<String> {
    let series = chart.series();
    let room = longest(series.iter().copied());
    series
        .iter()
        .filter_map(|name| {
            let values: Vec<f64> = chart
                .marks
                .iter()
                .filter(|mark| mark.series == *name)
                .filter_map(|mark| mark.y)
                .collect();
            let last = chart.format.value(*values.last()?);
            Some(format!("{} {} {last}", padded(name, room), spark(&values)))
        })
        .collect()
}

/// Values as blocks of eight heights between the least and the largest; equal ones are all low.
pub fn spark(values: &[f64]) -> String {
    const HEIGHTS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let (low, high) = values
        .iter()
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), &value| {
            (low.min(value), high.max(value))
        });
    // Halves, so that a range of 1.8e308 does not overflow.
    let span = high / 2.0 - low / 2.0;
    let height = |value: &f64| {
        if span > 0.0 {
            ((value / 2.0 - low / 2.0) / span * 8.0).min(7.0) as usize
        } else {
            0
        }
    };
    values.iter().map(|value| HEIGHTS[height(value)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart(kind: Kind, marks: &[(&str, &str, f64)]) -> Chart {
        let mark = |&(series, label, y): &(&str, &str, f64)| Mark {
            series: series.into(),
            label: label.into(),
            y: Some(y),
            ..Mark::default()
        };
        Chart {
            kind,
            headline: "Found".into(),
            marks: marks.iter().map(mark).collect(),
            ..Chart::default()
        }
    }

    #[test]
    fn bars_are_as_long_as_their_values() {
        let drawn = text(
            &chart(Kind::Bars, &[("", "pv", 8.0), ("", "cart", 4.5), ("", "buy", 1.0)]),
            8,
        );
        assert_eq!(drawn, "Found\npv      8 ████████\ncart 4.50 ████▌\nbuy     1 █");
    }

    #[test]
    fn a_grid_is_shades() {
        let drawn = text(
            &chart(
                Kind::Grid,
                &[("a", "x", 4.0), ("b", "x", 1.0), ("a", "y", 0.0), ("b", "y", 2.0)],
            ),
            8,
        );
        assert_eq!(drawn, "Found\nx █░\ny  ▒");
    }

    #[test]
    fn a_line_is_blocks_and_its_last_value() {
        let drawn = text(
            &chart(Kind::Lines, &[("lstm", "", 0.0), ("lstm", "", 8.0), ("lstm", "", 4.0)]),
            8,
        );
        assert_eq!(drawn, "Found\nlstm ▁█▅ 4");
        assert_eq!(text(&chart(Kind::Lines, &[]), 8), "Found\nNo data");
    }
}
