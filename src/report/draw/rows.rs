//! Charts with a row for each label: bars, dots, the funnel and the parts of a whole.

use super::scale::{across, said, values};
use crate::report::chart::{Chart, Mark};
use crate::report::svg::{Anchor, Area, Axis, BOLD, Canvas, LABEL, TICK, column};
use crate::report::text::{Format, number};

/// Rows with a label at the left and a note at the right: where each is, and the places of the plot.
struct Rows {
    left: f64,
    right: f64,
    top: f64,
    height: f64,
}

impl Rows {
    fn new(chart: &Chart, width: f64, height: f64) -> Self {
        let share = if width < 500.0 { 0.34 } else { 0.28 };
        let notes = chart.marks.iter().map(|mark| mark.note.as_str());
        let left = column(
            chart.marks.iter().map(|mark| mark.label.as_str()),
            LABEL * BOLD,
            width * share,
        );
        Self {
            left,
            right: width - column(notes, TICK, width * share),
            top: if chart.reference.is_some() { 28.0 } else { 8.0 },
            height,
        }
    }

    fn bottom(&self, n: usize) -> f64 {
        self.top + self.height * n as f64
    }

    fn middle(&self, row: usize) -> f64 {
        self.top + self.height * (row as f64 + 0.5)
    }

    fn name(&self, canvas: &mut Canvas, row: usize, mark: &Mark) {
        let class = if mark.strong { "lab strong" } else { "lab" };
        let y = self.middle(row) + 4.0;
        canvas.text((self.left - 10.0, y), &mark.label, class, Anchor::End, self.left - 10.0);
        let room = canvas.width - self.right - 10.0;
        canvas.text((self.right + 10.0, y), &mark.note, "tick", Anchor::Start, room);
    }
}

/// A bar from zero for each mark, a hollow one for `high` over it.
pub fn bars(chart: &Chart, width: f64) -> Canvas {
    let rows = Rows::new(chart, width, 25.0);
    let bottom = rows.bottom(chart.marks.len());
    let mut canvas = Canvas::new(width, bottom + 40.0);
    let axis = across(&mut canvas, chart, true, (rows.left, rows.right), (rows.top, bottom));
    for (row, mark) in chart.marks.iter().enumerate() {
        rows.name(&mut canvas, row, mark);
        let text = said(chart, mark);
        let mut bar = |value: f64, class: &str, half: f64| {
            let (from, to) = (axis.at(0.0).min(axis.at(value)), axis.at(0.0).max(axis.at(value)));
            let area = Area {
                x: from,
                y: rows.middle(row) - half,
                width: to - from,
                height: 2.0 * half,
            };
            canvas.rect(area, class, None, Some(&text));
        };
        if let Some(y) = mark.y {
            bar(y, if mark.strong { "bar hot" } else { "bar" }, 7.0);
        }
        if let Some(high) = mark.high {
            bar(high, "hollow", 9.5);
        }
    }
    canvas
}

/// A point for each mark with its interval.
pub fn dots(chart: &Chart, width: f64) -> Canvas {
    let rows = Rows::new(chart, width, 27.0);
    let bottom = rows.bottom(chart.marks.len());
    let mut canvas = Canvas::new(width, bottom + 40.0);
    let axis = across(
        &mut canvas,
        chart,
        false,
        (rows.left + 6.0, rows.right - 6.0),
        (rows.top, bottom),
    );
    for (row, mark) in chart.marks.iter().enumerate() {
        rows.name(&mut canvas, row, mark);
        let y = rows.middle(row);
        if let (Some(low), Some(high)) = (mark.low, mark.high) {
            canvas.line((axis.at(low), y), (axis.at(high), y), "ci");
        }
        if let Some(value) = mark.y {
            let class = if mark.strong { "dot hot" } else { "dot" };
            canvas.mark((axis.at(value), y), 5.0, 0, class, Some(&said(chart, mark)));
        }
    }
    canvas
}

/// Steps with what is lost between them; a hollow bar counts any order.
pub fn funnel(chart: &Chart, width: f64) -> Canvas {
    const BAR: f64 = 36.0;
    const GAP: f64 = 42.0;
    let labels = chart.marks.iter().map(|mark| mark.label.as_str());
    let left = column(labels, LABEL * BOLD, width * 0.3).max(54.0);
    let first = chart.marks.iter().find_map(|mark| mark.y).filter(|first| *first > 0.0);
    let share = |users: f64| first.map_or(String::new(), |first| Format::Percent.value(users / first));
    let shown = |users: f64| format!("{} · {}", number(users), share(users));
    let texts: Vec<String> = chart.marks.iter().filter_map(|mark| mark.y).map(shown).collect();
    let right = width - column(texts.iter().map(String::as_str), LABEL * BOLD, width * 0.4);
    let n = chart.marks.len() as f64;
    let has_hollow = chart.marks.iter().any(|mark| mark.high > mark.y);
    let bottom = 8.0 + n * (BAR + GAP) - GAP;
    let mut canvas = Canvas::new(width, bottom + if has_hollow { 34.0 } else { 8.0 });
    let most = values(&chart.marks).fold(f64::MIN_POSITIVE, f64::max);
    let axis = Axis::new((0.0, most), (0.0, right - left));
    for (step, mark) in chart.marks.iter().enumerate() {
        let Some(users) = mark.y else { continue };
        let y = 8.0 + step as f64 * (BAR + GAP);
        let area = |value: f64| Area {
            x: left,
            y,
            width: axis.at(value),
            height: BAR,
        };
        let middle = y + BAR / 2.0 + 4.0;
        canvas.text(
            (left - 10.0, middle),
            &mark.label,
            "lab strong",
            Anchor::End,
            left - 12.0,
        );
        let text = format!("{}: {}, {}", mark.label, number(users), share(users));
        canvas.rect(area(users), "bar", None, Some(&text));
        let any = mark.high.filter(|any| *any > users);
        if let Some(any) = any {
            let text = format!("{}: {} in any order", mark.label, number(any));
            canvas.rect(area(any), "hollow", None, Some(&text));
        }
        let end = left + axis.at(any.unwrap_or(users)) + 8.0;
        canvas.text((end, middle), &shown(users), "lab strong", Anchor::Start, width - end);
        if !mark.note.is_empty() && step + 1 < chart.marks.len() {
            canvas.line((left + 6.0, y + BAR + 5.0), (left + 6.0, y + BAR + GAP - 8.0), "stem");
            let place = (left + 20.0, y + BAR + GAP / 2.0 + 4.0);
            canvas.text(place, &mark.note, "tick", Anchor::Start, width - left - 22.0);
        }
    }
    if has_hollow {
        key(&mut canvas, left, bottom + 26.0);
    }
    canvas
}

/// What the two bars of a funnel are.
fn key(canvas: &mut Canvas, mut x: f64, y: f64) {
    for (class, name) in [("bar", "in this order"), ("hollow", "in any order")] {
        let area = Area {
            x,
            y: y - 10.0,
            width: 18.0,
            height: 10.0,
        };
        canvas.rect(area, class, None, None);
        canvas.text((x + 24.0, y), name, "tick", Anchor::Start, canvas.width - x - 24.0);
        x += 34.0 + column([name], TICK, canvas.width);
    }
}

/// One bar of the whole, with its parts named below.
pub fn parts(chart: &Chart, width: f64) -> Canvas {
    const LEAST: f64 = 3.0;
    let counted: Vec<(&Mark, f64)> = chart
        .marks
        .iter()
        .filter_map(|mark| Some((mark, mark.y.filter(|y| *y > 0.0)?)))
        .collect();
    // Parts of the largest, so that no sum overflows.
    let most = counted.iter().map(|(_, y)| *y).fold(0.0, f64::max);
    let total: f64 = counted.iter().map(|(_, y)| y / most).sum();
    let mut canvas = Canvas::new(width, 34.0 + 18.0 * counted.len() as f64);
    let least = LEAST.min(width / counted.len().max(1) as f64);
    let spare = width - least * counted.len() as f64;
    let mut x = 0.0;
    for (row, (mark, y)) in counted.iter().enumerate() {
        let class = if mark.strong { "bar hot" } else { "bar2" };
        let share = y / most / total;
        let text = format!("{}: {}, {}", mark.label, number(*y), Format::Percent.value(share));
        let area = Area {
            x,
            y: 4.0,
            width: (least + spare * share - 1.0).max(0.5),
            height: 20.0,
        };
        canvas.rect(area, class, None, Some(&text));
        x += least + spare * share;
        let below = 44.0 + 18.0 * row as f64;
        canvas.mark((5.0, below - 4.0), 4.5, 1, class, None);
        canvas.text((16.0, below), &text, "lab", Anchor::Start, width - 18.0);
    }
    canvas
}
