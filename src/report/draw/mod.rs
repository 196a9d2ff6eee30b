//! The pictures of all kinds of charts.

mod scale;
mod rows;
mod cells;
mod plane;

use super::chart::{Chart, Kind};
use super::svg::{Anchor, Canvas};

/// The widths that a page has each picture in: for a desk and for a phone.
pub const WIDE: f64 = 720.0;
/// See [`WIDE`].
pub const NARROW: f64 = 344.0;

/// A picture of the chart, so many pixels wide.
pub fn draw(chart: &Chart, width: f64) -> Canvas {
    if !chart.has_data() {
        return nothing(width);
    }
    match chart.kind {
        Kind::Bars => rows::bars(chart, width),
        Kind::Dots => rows::dots(chart, width),
        Kind::Funnel => rows::funnel(chart, width),
        Kind::Parts => rows::parts(chart, width),
        Kind::Columns => cells::columns(chart, width),
        Kind::HeatMap => cells::heat_map(chart, width),
        Kind::Grid => cells::grid(chart, width),
        Kind::Lines => plane::lines(chart, width),
        Kind::Bubbles => plane::bubbles(chart, width),
        Kind::Calibration | Kind::Curves => plane::panels(chart, width),
    }
}

fn nothing(width: f64) -> Canvas {
    let mut canvas = Canvas::new(width, 60.0);
    canvas.text((width / 2.0, 34.0), "No data", "tick", Anchor::Middle, width);
    canvas
}
