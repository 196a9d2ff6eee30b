//! Charts with a cell for each label and series: columns, heat maps and grids.

use super::scale::{extent, said, values};
use crate::report::chart::{Chart, Mark};
use crate::report::svg::{Anchor, Area, Axis, BOLD, Canvas, LABEL, TICK, column};
use crate::report::text::{Format, number, width as text_width, wrap};

/// Names under columns so far apart that none meets the next.
fn names_below(canvas: &mut Canvas, names: &[&str], left: f64, step: f64, y: f64) {
    let widest = names.iter().map(|name| text_width(name, TICK)).fold(0.0, f64::max) + 8.0;
    let room = widest.min(canvas.width / 4.0).max(step);
    let every = (room / step - 1e-9).ceil().max(1.0) as usize;
    for (number, name) in names.iter().enumerate().step_by(every) {
        let half = (text_width(name, TICK) / 2.0).min(room / 2.0 - 2.0);
        let x = (left + (number as f64 + 0.5) * step).clamp(half, canvas.width - half);
        canvas.text((x, y), name, "tick", Anchor::Middle, room - 4.0);
    }
}

/// An upright bar for each label, in a panel for each series.
pub fn columns(chart: &Chart, width: f64) -> Canvas {
    const HEIGHT: f64 = 128.0;
    const GAP: f64 = 34.0;
    let (series, labels) = (chart.series(), chart.labels());
    let (top, left) = (26.0, 8.0);
    let bottom = top + series.len() as f64 * (HEIGHT + GAP) - GAP;
    let mut canvas = Canvas::new(width, bottom + 24.0);
    let step = (width - 2.0 * left) / labels.len() as f64;
    for (panel, name) in series.iter().enumerate() {
        let base = top + panel as f64 * (HEIGHT + GAP) + HEIGHT;
        let marks: Vec<&Mark> = chart.marks.iter().filter(|mark| mark.series == *name).collect();
        let (least, most) = extent(values(marks.iter().copied()).chain([0.0, f64::MIN_POSITIVE]));
        let up = Axis::new((least, most), (base, base - HEIGHT + 30.0));
        let zero = up.at(0.0);
        canvas.text(
            (left, base - HEIGHT - 4.0),
            name,
            "lab strong",
            Anchor::Start,
            width - 16.0,
        );
        // A number over each column where all have room for theirs.
        let widest = marks
            .iter()
            .filter_map(|mark| mark.y)
            .map(|y| text_width(&chart.format.value(y), TICK));
        let is_written = widest.fold(0.0, f64::max) + 2.0 < step;
        let peak = marks.iter().filter_map(|mark| mark.y).fold(0.0, f64::max);
        let mut has_peak = false;
        for mark in marks {
            let Some(y) = mark.y else { continue };
            let place = labels.iter().position(|label| *label == mark.label).unwrap_or(0) as f64;
            let (x, gap) = (left + place * step, (step * 0.1).min(3.0));
            let area = Area {
                x: x + gap,
                y: up.at(y).min(zero),
                width: step - 2.0 * gap,
                height: (up.at(y) - zero).abs(),
            };
            let class = if mark.strong { "bar hot" } else { "bar calm" };
            canvas.rect(area, class, None, Some(&said(chart, mark)));
            let is_peak = y == peak && y > 0.0 && !has_peak;
            has_peak |= is_peak;
            if is_written || is_peak {
                let text = chart.format.value(y);
                let half = text_width(&text, TICK) / 2.0;
                let x = (x + step / 2.0).clamp(half, width - half);
                canvas.text((x, area.y - 5.0), &text, "small", Anchor::Middle, width);
            }
        }
        canvas.line((left, zero + 0.5), (width - left, zero + 0.5), "axis");
    }
    names_below(&mut canvas, &labels, left, step, bottom + 17.0);
    canvas
}

/// The class of a text on a cell of this strength in the light theme and in the dark one: at least 4.5 to 1 on both.
fn ink(opacity: f64) -> &'static str {
    match opacity {
        o if o > 0.83 => "hl hd",
        o if o > 0.57 => "hd",
        _ => "",
    }
}

/// Where the cells of a chart are.
struct Cells<'a> {
    rows: Vec<&'a str>,
    columns: Vec<&'a str>,
    left: f64,
    top: f64,
    step: f64,
    height: f64,
    shade: Axis,
}

impl<'a> Cells<'a> {
    fn new(chart: &'a Chart, width: f64, height: f64, top: f64, right: f64) -> Self {
        let (rows, columns) = (chart.labels(), chart.series());
        let most = if width < 500.0 { 0.34 } else { 0.28 };
        let left = column(rows.iter().copied(), LABEL * BOLD, width * most);
        let step = ((width - left - 2.0 - right) / columns.len() as f64).min(150.0);
        let (low, high) = extent(chart.marks.iter().filter_map(|mark| mark.size.or(mark.y)));
        let shade = Axis::new((low.min(0.0), high.max(f64::MIN_POSITIVE)), (0.05, 0.95));
        Self {
            rows,
            columns,
            left,
            top,
            step,
            height,
            shade,
        }
    }

    fn bottom(&self) -> f64 {
        self.top + self.height * self.rows.len() as f64
    }

    /// The cell of a mark and how dark it is.
    fn cell(&self, mark: &Mark) -> Option<(Area, f64)> {
        let shade = self.shade.at(mark.size.or(mark.y)?);
        let row = self.rows.iter().position(|row| *row == mark.label)? as f64;
        let column = self.columns.iter().position(|column| *column == mark.series)? as f64;
        let area = Area {
            x: self.left + column * self.step + 0.5,
            y: self.top + row * self.height + 0.5,
            width: self.step - 1.0,
            height: self.height - 1.0,
        };
        Some((area, shade))
    }

    fn names(&self, canvas: &mut Canvas) {
        for (row, name) in self.rows.iter().enumerate() {
            let y = self.top + (row as f64 + 0.5) * self.height + 4.0;
            canvas.text((self.left - 8.0, y), name, "lab", Anchor::End, self.left - 10.0);
        }
        names_below(canvas, &self.columns, self.left, self.step, self.bottom() + 15.0);
    }
}

/// What an axis across is, under the names of its columns.
fn name_across(canvas: &mut Canvas, name: &str, left: f64, bottom: f64) {
    let middle = (left + canvas.width) / 2.0;
    canvas.text(
        (middle, bottom + 32.0),
        name,
        "tick",
        Anchor::Middle,
        canvas.width - left,
    );
}

/// Shaded cells, with the mean of each column over it and the sum of each row beside it.
pub fn heat_map(chart: &Chart, width: f64) -> Canvas {
    const MARGIN: f64 = 38.0;
    let sum = |is_in: &dyn Fn(&Mark) -> bool| -> f64 {
        let values = chart.marks.iter().filter(|mark| is_in(mark)).filter_map(|mark| mark.y);
        values.sum()
    };
    let row_sums: Vec<f64> = chart
        .labels()
        .iter()
        .map(|name| sum(&|mark| mark.label == *name))
        .collect();
    let row_texts: Vec<String> = row_sums.iter().map(|total| number(total.round())).collect();
    let room = if width < 500.0 { 0.0 } else { 34.0 };
    let right = room + column(row_texts.iter().map(String::as_str), TICK, width * 0.2);
    let cells = Cells::new(chart, width, 24.0, MARGIN + 6.0, right);
    let mut canvas = Canvas::new(width, cells.bottom() + 40.0);
    for mark in &chart.marks {
        let Some((area, shade)) = cells.cell(mark) else {
            continue;
        };
        canvas.rect(
            area,
            if mark.strong { "seq ring" } else { "seq" },
            Some(shade),
            Some(&said(chart, mark)),
        );
    }
    let sums: Vec<f64> = cells
        .columns
        .iter()
        .map(|name| sum(&|mark| mark.series == *name))
        .collect();
    let up = Axis::new(
        (0.0, sums.iter().copied().fold(f64::MIN_POSITIVE, f64::max)),
        (0.0, MARGIN - 6.0),
    );
    for (column, total) in sums.iter().enumerate() {
        let height = up.at(*total);
        let area = Area {
            x: cells.left + column as f64 * cells.step + 1.0,
            y: MARGIN - height,
            width: cells.step - 2.0,
            height,
        };
        let mean = chart.format.value(total / cells.rows.len() as f64);
        canvas.rect(
            area,
            "bar2",
            None,
            Some(&format!("{}: {mean} on average", cells.columns[column])),
        );
    }
    let most = row_sums.iter().copied().fold(f64::MIN_POSITIVE, f64::max);
    let from = cells.left + cells.columns.len() as f64 * cells.step + 6.0;
    for (row, (total, text)) in row_sums.iter().zip(&row_texts).enumerate() {
        let y = cells.top + row as f64 * cells.height;
        let area = Area {
            x: from,
            y: y + 6.0,
            width: Axis::new((0.0, most), (0.0, room)).at(*total),
            height: cells.height - 12.0,
        };
        if room > 0.0 {
            canvas.rect(
                area,
                "bar2",
                None,
                Some(&format!("{}: {} in all", cells.rows[row], chart.format.value(*total))),
            );
        }
        let x = area.x + area.width + 4.0;
        canvas.text(
            (x, y + cells.height / 2.0 + 4.0),
            text,
            "tick",
            Anchor::Start,
            width - x,
        );
    }
    cells.names(&mut canvas);
    name_across(&mut canvas, &chart.x_label, cells.left, cells.bottom());
    canvas
}

/// Shaded cells with their value, or their note, written into them.
pub fn grid(chart: &Chart, width: f64) -> Canvas {
    let has_notes = chart.marks.iter().any(|mark| !mark.note.is_empty());
    let values = || {
        chart
            .marks
            .iter()
            .filter_map(|mark| mark.y)
            .map(|y| chart.format.value(y))
    };
    let cells = Cells::new(chart, width, if has_notes { 58.0 } else { 32.0 }, 6.0, 0.0);
    let mut canvas = Canvas::new(width, cells.bottom() + 40.0);
    // Where the cells are too small for it, the unit stands below.
    let has_units = values().all(|text| text_width(&text, TICK) <= cells.step);
    for mark in &chart.marks {
        let (Some((area, shade)), Some(y)) = (cells.cell(mark), mark.y) else {
            continue;
        };
        canvas.rect(
            area,
            if mark.strong { "seq ring" } else { "seq" },
            Some(shade),
            Some(&said(chart, mark)),
        );
        let (middle, ink) = (area.x + area.width / 2.0, ink(shade));
        let value = chart.format.value(y);
        let value = if has_units {
            &value
        } else {
            value.trim_end_matches(PERCENT)
        };
        if !has_notes {
            let place = (middle, area.y + area.height / 2.0 + 4.0);
            let (class, size) = if text_width(value, TICK) <= cells.step {
                ("small", TICK)
            } else {
                ("tiny", TINY)
            };
            if text_width(value, size) <= cells.step {
                canvas.text(place, value, &format!("{class} cell {ink}"), Anchor::Middle, cells.step);
            }
            continue;
        }
        canvas.text(
            (middle, area.y + 50.0),
            value,
            &format!("lab cell {ink}"),
            Anchor::Middle,
            cells.step,
        );
        let (class, size) = if width < 500.0 { ("tiny", TINY) } else { ("small", TICK) };
        for (line, text) in wrap(&mark.note, cells.step - 6.0, size, 2).iter().enumerate() {
            let place = (middle, area.y + 16.0 + 13.0 * line as f64);
            canvas.text(
                place,
                text,
                &format!("{class} cell {ink}"),
                Anchor::Middle,
                cells.step - 2.0,
            );
        }
    }
    cells.names(&mut canvas);
    let unit = if has_units || chart.format != Format::Percent {
        ""
    } else {
        ", in per cent"
    };
    name_across(
        &mut canvas,
        &format!("{}{unit}", chart.x_label),
        cells.left,
        cells.bottom(),
    );
    canvas
}

/// The size of what is written into a small cell.
const TINY: f64 = 9.5;
/// The end of a percentage.
const PERCENT: &str = "\u{a0}%";
