//! Pictures of results, and pages of them.
//!
//! A chart is data: a kind, numbers, and sentences, without a colour or markup ([`chart`]). It is drawn as SVG
//! (`draw`) for the width where it is shown, because a picture that is scaled to a phone has letters of six pixels.
//! A page ([`page`]) is one HTML file with every picture in two widths; [`plain`] draws with letters for a terminal. Everything that comes from
//! a table is escaped by the templates of `maud`; colours are in the style sheet alone.

pub mod text;
mod svg;
pub mod chart;
mod draw;
mod style;
pub mod page;
pub mod plain;

pub use chart::{Chart, Kind, Mark};
pub use draw::WIDE;
pub use text::Format;
