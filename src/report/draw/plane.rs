//! Charts whose marks stand at two numbers: lines, bubbles, predictions against what happened, and curves.

use super::scale::{extent, said, upward, values};
use crate::report::chart::{Chart, Kind, Mark};
use crate::report::svg::{Anchor, Area, Axis, BOLD, Canvas, LABEL, TICK, column};
use crate::report::text::{Format, number, ticks, width as text_width};

/// Colours and shapes that can be told apart.
const N_STYLES: usize = 4;

/// The height of a line of a legend.
const LEGEND: f64 = 18.0;

/// The marks of a scale across, where they lie within it.
fn scale_below(canvas: &mut Canvas, across: Axis, (from, to): (f64, f64), y: f64) {
    let marks = ticks(from, to, if canvas.is_narrow() { 4 } else { 8 });
    let step = marks[1] - marks[0];
    let texts = marks.iter().map(|&value| (value, Format::Number.tick(value, step)));
    for (value, text) in texts.filter(|(value, _)| (from..=to).contains(value)) {
        canvas.text((across.at(value), y), &text, "tick", Anchor::Middle, 60.0);
    }
}

/// A line through the points of each series, and a level across for a series without x.
pub fn lines(chart: &Chart, width: f64) -> Canvas {
    let series = chart.series();
    let right = width - column(series.iter().copied(), LABEL * BOLD, width * 0.36) - 8.0;
    let (left, top) = (54.0, 26.0);
    let height: f64 = if width < 500.0 { 260.0 } else { 300.0 };
    let height = height.max(80.0 + 15.0 * series.len() as f64);
    let bottom = height - 42.0;
    let mut canvas = Canvas::new(width, height);
    let (low, high) = extent(chart.marks.iter().filter_map(|mark| mark.y));
    let marks = ticks(low, high, 5);
    let up = Axis::new((marks[0], marks[marks.len() - 1]), (bottom, top));
    upward(&mut canvas, chart.format, &marks, up, (left, right));
    let (from, to) = extent(chart.marks.iter().filter_map(|mark| mark.x));
    let across = Axis::new((from, to), (left + 4.0, right - 4.0));
    if from.is_finite() {
        scale_below(&mut canvas, across, (from, to), bottom + 17.0);
    }
    let middle = (left + right) / 2.0;
    canvas.text(
        (middle, height - 6.0),
        &chart.x_label,
        "tick",
        Anchor::Middle,
        right - left,
    );
    canvas.text((4.0, 12.0), &chart.y_label, "tick", Anchor::Start, width - 8.0);
    let (mut ends, mut group) = (Vec::new(), 0);
    for name in series {
        let marks = chart
            .marks
            .iter()
            .filter(|mark| mark.series == *name && mark.y.is_some());
        let points: Vec<(&Mark, (f64, f64))> = marks
            .filter_map(|mark| Some((mark, (mark.x.map_or(right, |x| across.at(x)), up.at(mark.y?)))))
            .collect();
        let Some(&(last, (_, end))) = points.last() else {
            continue;
        };
        if last.x.is_none() {
            canvas.level((left, right), end, "ref", &said(chart, last));
            ends.push((end, name.to_owned(), "tick".to_owned()));
            continue;
        }
        let color = group % N_STYLES + 1;
        line(&mut canvas, chart, &points, group, 3.2);
        ends.push((end, name.to_owned(), format!("lab strong s{color}t")));
        group += 1;
    }
    for (y, name, class) in apart(ends, 15.0, (top, bottom + 4.0)) {
        canvas.text(
            (right + 10.0, y + 4.0),
            &name,
            &class,
            Anchor::Start,
            width - right - 10.0,
        );
    }
    canvas
}

/// One line with its marks.
fn line(canvas: &mut Canvas, chart: &Chart, points: &[(&Mark, (f64, f64))], group: usize, r: f64) {
    let color = group % N_STYLES + 1;
    let places: Vec<(f64, f64)> = points.iter().map(|(_, place)| *place).collect();
    canvas.path(&places, &format!("line s{color}"));
    for (mark, place) in points {
        let x = mark
            .x
            .map_or(String::new(), |x| format!(", {} {}", chart.x_label, number(x)));
        let class = format!("s{color} pt{}", if mark.strong { " hotring" } else { "" });
        let text = format!("{}{x}", said(chart, mark));
        canvas.mark(*place, if mark.strong { 5.0 } else { r }, group, &class, Some(&text));
    }
}

/// Labels moved so that no two are closer than `gap`, within the range where there is room.
fn apart(mut labels: Vec<(f64, String, String)>, gap: f64, (top, bottom): (f64, f64)) -> Vec<(f64, String, String)> {
    labels.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut least = top;
    for label in &mut labels {
        label.0 = label.0.max(least);
        least = label.0 + gap;
    }
    let mut most = bottom;
    for label in labels.iter_mut().rev() {
        label.0 = label.0.min(most);
        most = label.0 - gap;
    }
    labels
}

/// Shapes at x and y, y on a logarithmic scale, as large as what they stand for.
pub fn bubbles(chart: &Chart, width: f64) -> Canvas {
    let groups = chart.series();
    let (left, right) = (48.0, width - 14.0);
    let rows = groups.len();
    let top = 26.0 + LEGEND * rows as f64;
    let height = top + if width < 500.0 { 280.0 } else { 310.0 };
    let bottom = height - 44.0;
    let mut canvas = Canvas::new(width, height);
    let marks: Vec<(&Mark, f64, f64)> = chart
        .marks
        .iter()
        .filter_map(|mark| Some((mark, mark.x?, mark.y.filter(|y| *y > 0.0)?)))
        .collect();
    let (low, high) = extent(marks.iter().map(|mark| mark.2));
    let up = Axis::new((low.ln(), high.ln()), (bottom - 14.0, top + 14.0));
    let decades = (low.log10().floor() as i32)..=(high.log10().ceil() as i32);
    let n_decades = decades.clone().count();
    let digits: &[f64] = if n_decades > 4 { &[1.0] } else { &[1.0, 2.0, 5.0] };
    let values = decades
        .step_by(n_decades.div_ceil(12))
        .flat_map(|power| digits.iter().map(move |digit| digit * 10f64.powi(power)));
    for value in values.filter(|value| (low..=high).contains(value)) {
        let y = up.at(value.ln());
        canvas.line((left, y), (right, y), "grid");
        canvas.text((left - 8.0, y + 4.0), &number(value), "tick", Anchor::End, left - 8.0);
    }
    let (from, to) = extent(marks.iter().map(|mark| mark.1));
    let values = ticks(from.min(0.0), to, if width < 500.0 { 4 } else { 8 });
    let ends = (values[0], values[values.len() - 1]);
    let across = Axis::new(ends, (left + 14.0, right - 14.0));
    scale_below(&mut canvas, across, ends, bottom + 16.0);
    canvas.text(
        ((left + right) / 2.0, height - 8.0),
        &chart.x_label,
        "tick",
        Anchor::Middle,
        right - left,
    );
    legend(&mut canvas, &groups, width);
    canvas.text((4.0, top - 4.0), &chart.y_label, "tick", Anchor::Start, width - 8.0);
    shapes(&mut canvas, chart, marks, across, up);
    canvas
}

/// A line with the shape and the name of each group.
fn legend(canvas: &mut Canvas, groups: &[&str], width: f64) {
    for (group, name) in groups.iter().enumerate() {
        let y = 12.0 + LEGEND * group as f64;
        let class = format!("s{} bub", group % N_STYLES + 1);
        canvas.mark((10.0, y - 4.0), 4.5, group, &class, None);
        canvas.text((22.0, y), name, "lab", Anchor::Start, width - 24.0);
    }
}

fn shapes(canvas: &mut Canvas, chart: &Chart, mut marks: Vec<(&Mark, f64, f64)>, across: Axis, up: Axis) {
    let groups = chart.series();
    let size = |mark: &Mark| mark.size.unwrap_or(1.0).max(0.0);
    let largest = marks
        .iter()
        .map(|(mark, _, _)| size(mark))
        .fold(f64::MIN_POSITIVE, f64::max);
    // The small ones in front.
    marks.sort_by(|a, b| size(b.0).total_cmp(&size(a.0)));
    for (mark, x, y) in marks {
        let group = groups.iter().position(|group| *group == mark.series).unwrap_or(0);
        let r = (12.0 * (size(mark) / largest).sqrt()).max(2.2);
        let note = if mark.note.is_empty() {
            String::new()
        } else {
            format!(", {}", mark.note)
        };
        let text = format!(
            "{}: {} {}, {} {}{note}",
            mark.series,
            chart.x_label,
            number(x),
            chart.y_label,
            number(y)
        );
        let class = format!("s{} bub", group % N_STYLES + 1);
        canvas.mark((across.at(x), up.at(y.ln())), r, group, &class, Some(&text));
    }
}

/// What was predicted (x) against what happened (y, with its interval), or a curve for each note, in a panel for each series with the
/// line where both are equal.
pub fn panels(chart: &Chart, width: f64) -> Canvas {
    const GAP: f64 = 16.0;
    let series = chart.series();
    let n_across = if width < 500.0 { 2 } else { 4 }.min(series.len()).max(1);
    let panel = ((width - GAP * (n_across - 1) as f64) / n_across as f64).min(260.0);
    let rows = series.len().div_ceil(n_across);
    let height = panel + 22.0;
    let curves = match chart.kind {
        Kind::Curves => chart.notes(),
        _ => Vec::new(),
    };
    let top = LEGEND * curves.len() as f64;
    let mut canvas = Canvas::new(width, top + rows as f64 * height + 40.0);
    legend(&mut canvas, &curves, width);
    for (number, name) in series.iter().enumerate() {
        let corner = (
            (number % n_across) as f64 * (panel + GAP),
            top + (number / n_across) as f64 * height,
        );
        let marks: Vec<&Mark> = chart
            .marks
            .iter()
            .filter(|mark| mark.series == *name && mark.x.is_some() && mark.y.is_some())
            .collect();
        if !marks.is_empty() {
            square(&mut canvas, chart, (name, &curves), &marks, corner, panel);
        }
    }
    let bottom = top + rows as f64 * height;
    canvas.text(
        (4.0, bottom + 14.0),
        &format!("→ {}", chart.x_label),
        "tick",
        Anchor::Start,
        width - 8.0,
    );
    canvas.text(
        (4.0, bottom + 30.0),
        &format!("↑ {}", chart.y_label),
        "tick",
        Anchor::Start,
        width - 8.0,
    );
    canvas
}

fn square(
    canvas: &mut Canvas,
    chart: &Chart,
    (name, curves): (&str, &[&str]),
    marks: &[&Mark],
    (x, y): (f64, f64),
    panel: f64,
) {
    let (left, top, side) = (x + 46.0, y + 22.0, panel - 50.0);
    let (low, high) = extent(values(marks.iter().copied()).chain(marks.iter().filter_map(|mark| mark.x)));
    // From zero, unless all is far from it.
    let values = match curves.is_empty() {
        true => ticks(if low > high / 2.0 { low } else { low.min(0.0) }, high, 2),
        false => ticks(low.min(0.0), high.max(1.0), 2),
    };
    let ends = (values[0], values[values.len() - 1]);
    let (across, up) = (Axis::new(ends, (left, left + side)), Axis::new(ends, (top + side, top)));
    canvas.text((left, y + 14.0), name, "lab strong", Anchor::Start, side);
    let area = Area {
        x: left,
        y: top,
        width: side,
        height: side,
    };
    canvas.rect(area, "panel", None, None);
    let step = values[1] - values[0];
    let texts: Vec<String> = values.iter().map(|&value| chart.format.tick(value, step)).collect();
    let widest = texts.iter().map(|text| text_width(text, TICK)).fold(0.0, f64::max) + 4.0;
    let every = (widest * (values.len() - 1) as f64 / side).ceil().max(1.0) as usize;
    for (number, (&value, text)) in values.iter().zip(&texts).enumerate() {
        canvas.line((across.at(value), top), (across.at(value), top + side), "grid");
        canvas.line((left, up.at(value)), (left + side, up.at(value)), "grid");
        canvas.text((left - 4.0, up.at(value) + 4.0), text, "tick", Anchor::End, 44.0);
        if number % every == 0 {
            let place = (across.at(value).min(x + panel - widest / 2.0 + 4.0), top + side + 15.0);
            canvas.text(place, text, "tick", Anchor::Middle, side);
        }
    }
    canvas.line((left, top + side), (left + side, top), "ref");
    for (group, curve) in curves.iter().enumerate() {
        let points = marks.iter().filter(|mark| mark.note == **curve);
        let points: Vec<(&Mark, (f64, f64))> = points
            .filter_map(|mark| Some((*mark, (across.at(mark.x?), up.at(mark.y?)))))
            .collect();
        line(canvas, chart, &points, group, 1.6);
    }
    let dots = marks.iter().filter(|_| curves.is_empty());
    for mark in dots {
        let (Some(x), Some(y)) = (mark.x, mark.y) else { continue };
        if let (Some(low), Some(high)) = (mark.low, mark.high) {
            canvas.line((across.at(x), up.at(low)), (across.at(x), up.at(high)), "ci");
        }
        let text = format!("{}, {} {}", said(chart, mark), chart.x_label, chart.format.value(x));
        canvas.mark(
            (across.at(x), up.at(y)),
            3.6,
            0,
            if mark.strong { "dot hot" } else { "dot" },
            Some(&text),
        );
    }
}
