//! A chart as data: what it says, and numbers without a colour or markup.

use super::text::{Format, plain};
use crate::error::Error;
use serde_json::{Map, Value as Json};

/// Most charts of a page, and most marks of a chart: more cannot be told apart.
pub const MAX_CHARTS: usize = 24;
/// See [`MAX_CHARTS`].
pub const MAX_MARKS: usize = 500;

/// Larger numbers are not drawn, and smaller ones as 0: no scale is exact with them.
const LARGEST: f64 = 1e300;

/// What a chart's marks are drawn as.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    #[default]
    /// A bar from zero for each label; `high` is a hollow one behind it.
    Bars,
    /// A point for each label, with its interval from `low` to `high`.
    Dots,
    /// An upright bar from zero for each x, in a panel for each series.
    Columns,
    /// A line through (x, y) for each series; a series of one point without x is a level across.
    Lines,
    /// A shaded cell for each (label, series), the series across.
    HeatMap,
    /// The same with its value or note written into it.
    Grid,
    /// Steps one after the other: y that get so far, `high` in any order, a note between.
    Funnel,
    /// A shape at (x, y) for each mark, its area by `size`; y on a logarithmic scale.
    Bubbles,
    /// One bar of the whole, cut into its parts.
    Parts,
    /// What was predicted (x) and what happened (y), in a panel for each series.
    Calibration,
    /// A line through (x, y) for each note, both from 0 to 1, in a panel for each series.
    Curves,
}

/// One number to be seen.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Mark {
    /// Which line, panel, column or group.
    pub series: String,
    /// Which bar, row or step.
    pub label: String,
    /// Its place across.
    pub x: Option<f64>,
    /// Its value.
    pub y: Option<f64>,
    /// The interval around it.
    pub low: Option<f64>,
    /// See `low`.
    pub high: Option<f64>,
    /// What it stands for: a number of customers.
    pub size: Option<f64>,
    /// Said beside it.
    pub note: String,
    /// Whether it is the one to be looked at.
    pub strong: bool,
}

/// The kinds by their names in SQL.
const KINDS: [(&str, Kind); 11] = [
    ("bars", Kind::Bars),
    ("dots", Kind::Dots),
    ("columns", Kind::Columns),
    ("lines", Kind::Lines),
    ("heat_map", Kind::HeatMap),
    ("grid", Kind::Grid),
    ("funnel", Kind::Funnel),
    ("bubbles", Kind::Bubbles),
    ("parts", Kind::Parts),
    ("calibration", Kind::Calibration),
    ("curves", Kind::Curves),
];

/// The formats by their names in SQL.
const FORMATS: [(&str, Format); 3] = [
    ("number", Format::Number),
    ("percent", Format::Percent),
    ("ratio", Format::Ratio),
];

const CHART: [&str; 13] = [
    "place",
    "section",
    "name",
    "kind",
    "headline",
    "caption",
    "x_label",
    "y_label",
    "format",
    "reference",
    "reference_label",
    "marks",
    "sql",
];
const MARK: [&str; 9] = ["series", "label", "x", "y", "low", "high", "size", "note", "strong"];

/// The fields of a STRUCT, of which those that are missing or NULL have their default.
struct Fields<'a>(&'a Map<String, Json>);

impl<'a> Fields<'a> {
    fn new(argument: &'static str, json: &'a Json, known: &[&str]) -> Result<Self, Error> {
        let Some(object) = json.as_object() else {
            let allowed = "a STRUCT of footfall.chart, such as {kind: 'bars', marks: [{label: 'a', y: 1}]}";
            return Err(Error::argument(argument, json, allowed));
        };
        match object.keys().find(|key| !known.contains(&key.as_str())) {
            Some(unknown) => Err(wrong(unknown, "unknown", known.join(", "))),
            None => Ok(Self(object)),
        }
    }

    fn get(&self, name: &str) -> Option<&'a Json> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    fn text(&self, name: &str) -> Result<String, Error> {
        match self.get(name) {
            None => Ok(String::new()),
            Some(Json::String(text)) => Ok(text.clone()),
            Some(other) => Err(wrong(name, other, "a text")),
        }
    }

    fn number(&self, name: &str) -> Result<Option<f64>, Error> {
        match self.get(name) {
            None => Ok(None),
            Some(Json::Number(number)) => Ok(number.as_f64()),
            // NaN and the infinities come as texts.
            Some(Json::String(text)) if text.parse::<f64>().is_ok_and(|number| !number.is_finite()) => {
                Ok(Some(f64::NAN))
            }
            Some(other) => Err(wrong(name, other, "a number")),
        }
    }

    fn flag(&self, name: &str) -> Result<bool, Error> {
        match self.get(name) {
            None => Ok(false),
            Some(Json::Bool(flag)) => Ok(*flag),
            Some(other) => Err(wrong(name, other, "true or false")),
        }
    }

    fn choice<T: Copy + Default>(&self, name: &str, choices: &[(&str, T)]) -> Result<T, Error> {
        let Some(given) = self.get(name) else {
            return Ok(T::default());
        };
        let chosen = choices.iter().find(|(choice, _)| given.as_str() == Some(choice));
        let names = || choices.iter().map(|(choice, _)| *choice).collect::<Vec<_>>();
        chosen
            .map(|(_, value)| *value)
            .ok_or_else(|| wrong(name, given, names().join(", ")))
    }
}

fn wrong(option: &str, received: impl std::fmt::Display, allowed: impl Into<String>) -> Error {
    Error::Option {
        option: option.to_owned(),
        received: received.to_string(),
        allowed: allowed.into(),
    }
}

impl Mark {
    fn read(argument: &'static str, json: &Json) -> Result<Self, Error> {
        let fields = Fields::new(argument, json, &MARK)?;
        Ok(Self {
            series: fields.text("series")?,
            label: fields.text("label")?,
            x: fields.number("x")?,
            y: fields.number("y")?,
            low: fields.number("low")?,
            high: fields.number("high")?,
            size: fields.number("size")?,
            note: fields.text("note")?,
            strong: fields.flag("strong")?,
        })
    }
}

/// A picture of a report.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Chart {
    /// Its place among the others.
    pub place: i32,
    /// The heading that it stands under.
    pub section: String,
    /// What errors call it.
    pub name: String,
    /// What it is drawn as.
    pub kind: Kind,
    /// What was found, as a sentence.
    pub headline: String,
    /// What to be careful about.
    pub caption: String,
    /// What the axis across shows.
    pub x_label: String,
    /// What the values are.
    pub y_label: String,
    /// How the values are written.
    pub format: Format,
    /// A level to compare with,
    pub reference: Option<f64>,
    /// and what it is.
    pub reference_label: String,
    /// The numbers.
    pub marks: Vec<Mark>,
    /// The query that made it.
    pub sql: String,
}

impl Chart {
    /// The chart of a STRUCT as JSON, ready to be drawn.
    ///
    /// # Errors
    /// Another STRUCT than that of `footfall.chart`, or as [`Chart::checked`]; the `argument` is where it came from.
    pub fn read(argument: &'static str, json: &Json) -> Result<Self, Error> {
        let fields = Fields::new(argument, json, &CHART)?;
        let marks = match fields.get("marks") {
            None => Vec::new(),
            Some(Json::Array(marks)) => marks
                .iter()
                .map(|mark| Mark::read(argument, mark))
                .collect::<Result<_, _>>()?,
            Some(other) => return Err(wrong("marks", other, "a list of marks")),
        };
        let chart = Self {
            place: fields.number("place")?.map_or(0, |place| place as i32),
            section: fields.text("section")?,
            name: fields.text("name")?,
            kind: fields.choice("kind", &KINDS)?,
            headline: fields.text("headline")?,
            caption: fields.text("caption")?,
            x_label: fields.text("x_label")?,
            y_label: fields.text("y_label")?,
            format: fields.choice("format", &FORMATS)?,
            reference: fields.number("reference")?,
            reference_label: fields.text("reference_label")?,
            marks,
            sql: fields.text("sql")?,
        };
        chart.checked(argument)
    }

    /// The chart with texts that can be shown and without marks that cannot: those whose numbers are no numbers.
    ///
    /// # Errors
    /// More than [`MAX_MARKS`] marks, of the `argument`.
    pub fn checked(mut self, argument: &'static str) -> Result<Self, Error> {
        if self.marks.len() > MAX_MARKS {
            return Err(Error::argument(
                argument,
                format!("one ('{}') with {} marks", plain(&self.name), self.marks.len()),
                format!("{MAX_MARKS} at most: bin or leave out"),
            ));
        }
        for mark in &mut self.marks {
            for number in [&mut mark.x, &mut mark.y, &mut mark.low, &mut mark.high, &mut mark.size] {
                *number = number.map(drawn);
            }
        }
        let is_number = |number: Option<f64>| number.is_none_or(f64::is_finite);
        self.marks.retain(|mark| {
            [mark.x, mark.y, mark.low, mark.high, mark.size]
                .into_iter()
                .all(is_number)
        });
        for text in [
            &mut self.section,
            &mut self.name,
            &mut self.headline,
            &mut self.caption,
            &mut self.x_label,
            &mut self.y_label,
            &mut self.reference_label,
        ] {
            *text = plain(text);
        }
        for mark in &mut self.marks {
            for text in [&mut mark.series, &mut mark.label, &mut mark.note] {
                *text = plain(text);
            }
        }
        // Its lines are kept.
        self.sql = self.sql.lines().map(plain).collect::<Vec<_>>().join("\n");
        self.reference = self.reference.map(drawn).filter(|level| level.is_finite());
        Ok(self)
    }

    /// Whether there is a number that its kind can show.
    pub fn has_data(&self) -> bool {
        self.marks.iter().any(|mark| match self.kind {
            Kind::Bubbles => mark.x.is_some() && mark.y.is_some_and(|y| y > 0.0),
            Kind::Parts => mark.y.is_some_and(|y| y > 0.0),
            Kind::Calibration | Kind::Curves => mark.x.is_some() && mark.y.is_some(),
            _ => mark.y.is_some(),
        })
    }

    /// The different series, in the order in which they come.
    pub fn series(&self) -> Vec<&str> {
        distinct(self.marks.iter().map(|mark| mark.series.as_str()))
    }

    /// The different labels, in the order in which they come.
    pub fn labels(&self) -> Vec<&str> {
        distinct(self.marks.iter().map(|mark| mark.label.as_str()))
    }

    /// The different notes, in the order in which they come.
    pub fn notes(&self) -> Vec<&str> {
        distinct(self.marks.iter().map(|mark| mark.note.as_str()))
    }
}

/// The number as a scale can show it, else NaN.
fn drawn(number: f64) -> f64 {
    match number.abs() {
        size if size < 1.0 / LARGEST => 0.0,
        size if size <= LARGEST => number,
        _ => f64::NAN,
    }
}

fn distinct<'a>(names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut found: Vec<&str> = Vec::new();
    for name in names {
        if !found.contains(&name) {
            found.push(name);
        }
    }
    found
}
