//! One picture: shapes with classes and no colours, so that the style sheet decides light, dark and print.

use super::text::{cut, width};
use maud::{Markup, html};

/// The size of most text, and of marks of an axis, in pixels.
pub const LABEL: f64 = 12.0;
/// See [`LABEL`].
pub const TICK: f64 = 11.0;
/// How much wider bold letters are.
pub const BOLD: f64 = 1.07;

/// The size of a text of this class, as the style sheet has it, and room for bold letters.
fn size(class: &str) -> f64 {
    let has = |name: &str| class.split(' ').any(|one| one == name);
    match () {
        () if has("tiny") => 9.5,
        () if has("tick") || has("small") => TICK,
        () if has("strong") => LABEL * BOLD,
        () => LABEL,
    }
}

/// Where a text is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Anchor {
    Start,
    Middle,
    End,
}

impl Anchor {
    fn name(self) -> Option<&'static str> {
        match self {
            Self::Start => None,
            Self::Middle => Some("middle"),
            Self::End => Some("end"),
        }
    }
}

/// A rectangle.
#[derive(Clone, Copy, Debug)]
pub struct Area {
    pub x: f64,
    pub y: f64,
    pub width: f64,
    pub height: f64,
}

/// A picture under way, `width` pixels wide.
pub struct Canvas {
    pub width: f64,
    height: f64,
    parts: Vec<Markup>,
}

/// A coordinate: one decimal, no trailing zero.
fn place(value: f64) -> String {
    let text = format!("{value:.1}");
    let text = text.strip_suffix(".0").unwrap_or(&text);
    if text == "-0" { "0".to_owned() } else { text.to_owned() }
}

impl Canvas {
    pub fn new(width: f64, height: f64) -> Self {
        Self {
            width,
            height,
            parts: Vec::new(),
        }
    }

    /// Whether it is for a phone.
    pub fn is_narrow(&self) -> bool {
        self.width < 500.0
    }

    /// A text of a class in at most `room` pixels.
    pub fn text(&mut self, (x, y): (f64, f64), text: &str, class: &str, anchor: Anchor, room: f64) {
        let text = cut(text, room, size(class));
        self.parts.push(html! {
            text x=(place(x)) y=(place(y)) class=(class) text-anchor=[anchor.name()] { (text) }
        });
    }

    pub fn line(&mut self, from: (f64, f64), to: (f64, f64), class: &str) {
        self.parts.push(html! {
            line x1=(place(from.0)) y1=(place(from.1)) x2=(place(to.0)) y2=(place(to.1)) class=(class) {}
        });
    }

    /// A level across, which a tooltip names.
    pub fn level(&mut self, (from, to): (f64, f64), y: f64, class: &str, said: &str) {
        self.parts.push(html! {
            line x1=(place(from)) y1=(place(y)) x2=(place(to)) y2=(place(y)) class=(class) data-t=(said) {}
        });
    }

    /// A rectangle; `said` is what a tooltip and the keyboard reader show of a number.
    pub fn rect(&mut self, area: Area, class: &str, opacity: Option<f64>, said: Option<&str>) {
        let opacity = opacity.map(|opacity| format!("{opacity:.2}"));
        self.parts.push(html! {
            rect x=(place(area.x)) y=(place(area.y)) width=(place(area.width.max(0.0))) height=(place(area.height.max(0.0)))
                class=(class) fill-opacity=[opacity] data-t=[said] {}
        });
    }

    /// A line through some points.
    pub fn path(&mut self, points: &[(f64, f64)], class: &str) {
        let points: Vec<String> = points
            .iter()
            .map(|&(x, y)| format!("{},{}", place(x), place(y)))
            .collect();
        self.parts
            .push(html! { path d={ "M" (points.join("L")) } class=(class) {} });
    }

    /// A mark of radius `r`; shapes differ by `group`, so that groups can be told apart without colour.
    pub fn mark(&mut self, (x, y): (f64, f64), r: f64, group: usize, class: &str, said: Option<&str>) {
        let at = |dx: f64, dy: f64| format!("{},{}", place(x + dx * r), place(y + dy * r));
        let corners: &[(f64, f64)] = match group % 4 {
            1 => &[(-1.0, -1.0), (1.0, -1.0), (1.0, 1.0), (-1.0, 1.0)],
            2 => &[(0.0, -1.2), (1.15, 0.9), (-1.15, 0.9)],
            3 => &[(0.0, -1.3), (1.3, 0.0), (0.0, 1.3), (-1.3, 0.0)],
            _ => {
                self.parts.push(html! {
                    circle cx=(place(x)) cy=(place(y)) r=(place(r)) class=(class) data-t=[said] {}
                });
                return;
            }
        };
        let corners: Vec<String> = corners.iter().map(|&(dx, dy)| at(dx, dy)).collect();
        self.parts
            .push(html! { path d={ "M" (corners.join("L")) "Z" } class=(class) data-t=[said] {} });
    }

    /// The picture as an `svg` element. `id` makes the names of its title unique in a page; a picture with a `style` stands
    /// alone, on a ground of its own.
    pub fn finish(self, id: &str, title: &str, style: Option<&str>) -> Markup {
        let (width, height) = (place(self.width), place(self.height));
        html! {
            svg xmlns=[style.map(|_| "http://www.w3.org/2000/svg")] class=[style.map(|_| "ff")] viewBox={ "0 0 " (width) " " (height) }
                width=(width) height=(height) role="img" aria-labelledby={ (id) "-t" } {
                title id={ (id) "-t" } { (title) }
                @if let Some(style) = style {
                    style { (maud::PreEscaped(style)) }
                    rect width=(width) height=(height) class="ground" {}
                }
                @for part in &self.parts { (part) }
            }
        }
    }
}

/// How many pixels the widest of some labels takes, with a gap, but no more than `most`.
pub fn column<'a>(labels: impl IntoIterator<Item = &'a str>, size: f64, most: f64) -> f64 {
    let widest = labels.into_iter().map(|label| width(label, size)).fold(0.0, f64::max);
    (widest + 14.0).min(most)
}

/// Places on a picture for the values of an axis.
#[derive(Clone, Copy, Debug)]
pub struct Axis {
    values: (f64, f64),
    places: (f64, f64),
}

impl Axis {
    /// From the first place for the first value to the second for the second.
    pub fn new(values: (f64, f64), places: (f64, f64)) -> Self {
        Self { values, places }
    }

    /// The place of a value, within the axis.
    pub fn at(&self, value: f64) -> f64 {
        let (low, high) = self.values;
        // Halves, so that a range of 1.8e308 does not overflow.
        let span = high / 2.0 - low / 2.0;
        let share = if span > 0.0 {
            (value / 2.0 - low / 2.0) / span
        } else {
            0.5
        };
        self.places.0 + share.clamp(0.0, 1.0) * (self.places.1 - self.places.0)
    }
}
