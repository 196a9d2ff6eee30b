//! What all pictures share: the words of a mark, the range of its numbers, and axes.

use crate::report::chart::{Chart, Mark};
use crate::report::svg::{Anchor, Axis, Canvas, TICK};
use crate::report::text::{Format, ticks, width};

/// What a mark's tooltip says.
pub fn said(chart: &Chart, mark: &Mark) -> String {
    let format = |value| chart.format.value(value);
    let name: Vec<&str> = [mark.series.as_str(), mark.label.as_str()]
        .into_iter()
        .filter(|part| !part.is_empty())
        .collect();
    let mut text = name.join(", ");
    if let Some(y) = mark.y {
        text = format!("{text}{}{}", if text.is_empty() { "" } else { ": " }, format(y));
    }
    if let (Some(low), Some(high)) = (mark.low, mark.high) {
        text = format!("{text}, {} to {}", format(low), format(high));
    }
    if !mark.note.is_empty() {
        text = format!("{text} ({})", mark.note);
    }
    text
}

/// The numbers that a scale has to show.
pub fn values<'a>(marks: impl IntoIterator<Item = &'a Mark>) -> impl Iterator<Item = f64> {
    marks
        .into_iter()
        .flat_map(|mark| [mark.y, mark.low, mark.high])
        .flatten()
}

/// The least and the largest.
pub fn extent(values: impl Iterator<Item = f64>) -> (f64, f64) {
    values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
        (low.min(value), high.max(value))
    })
}

/// A scale across the bottom with its marks; from zero where `from_zero`.
pub fn across(
    canvas: &mut Canvas,
    chart: &Chart,
    from_zero: bool,
    (left, right): (f64, f64),
    (top, bottom): (f64, f64),
) -> Axis {
    let (low, high) = extent(values(&chart.marks).chain(chart.reference));
    let (low, high) = if from_zero {
        (low.min(0.0), high.max(0.0))
    } else {
        (low, high)
    };
    let marks = ticks(low, high, if canvas.is_narrow() { 3 } else { 5 });
    let axis = Axis::new((marks[0], marks[marks.len() - 1]), (left, right));
    let room = (right - left) / (marks.len() - 1) as f64 - 6.0;
    let texts: Vec<String> = marks
        .iter()
        .map(|&value| chart.format.tick(value, marks[1] - marks[0]))
        .collect();
    let widest = texts.iter().map(|text| width(text, TICK)).fold(0.0, f64::max);
    let every = (widest / room.max(1.0)).ceil().max(1.0) as usize;
    for (number, (&value, text)) in marks.iter().zip(&texts).enumerate() {
        let x = axis.at(value);
        canvas.line((x, top), (x, bottom), if value == 0.0 { "axis" } else { "grid" });
        if number % every == 0 {
            canvas.text((x, bottom + 16.0), text, "tick", Anchor::Middle, widest);
        }
    }
    let middle = canvas.width / 2.0;
    canvas.text(
        (middle, bottom + 33.0),
        &chart.y_label,
        "tick",
        Anchor::Middle,
        canvas.width - 8.0,
    );
    if let Some(level) = chart.reference {
        reference(canvas, axis.at(level), (top, bottom), &chart.reference_label);
    }
    axis
}

/// A level to compare with, named above.
fn reference(canvas: &mut Canvas, x: f64, (top, bottom): (f64, f64), label: &str) {
    canvas.line((x, top - 4.0), (x, bottom), "ref");
    let half = width(label, TICK) / 2.0;
    let (x, anchor) = match () {
        () if x - half < 2.0 => (2.0, Anchor::Start),
        () if x + half > canvas.width - 2.0 => (canvas.width - 2.0, Anchor::End),
        () => (x, Anchor::Middle),
    };
    canvas.text((x, top - 9.0), label, "tick", anchor, canvas.width - 4.0);
}

/// The marks of a scale at the left, with its lines.
pub fn upward(canvas: &mut Canvas, format: Format, marks: &[f64], axis: Axis, (left, right): (f64, f64)) {
    for &value in marks {
        canvas.line((left, axis.at(value)), (right, axis.at(value)), "grid");
        let step = marks.get(1).map_or(1.0, |second| second - marks[0]);
        let text = format.tick(value, step);
        canvas.text(
            (left - 8.0, axis.at(value) + 4.0),
            &text,
            "tick",
            Anchor::End,
            left - 8.0,
        );
    }
}
