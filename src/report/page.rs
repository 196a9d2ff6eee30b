//! A page of charts: one HTML file that loads nothing, and runs nothing but its own script.

use super::chart::{Chart, MAX_CHARTS, Mark};
use super::draw::{NARROW, WIDE, draw};
use super::style;
use super::text::{number, plain};
use crate::error::Error;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use sha2::{Digest, Sha256};

const SCRIPT: &str = include_str!("page.js");

/// Most bytes of a page.
pub const MAX_BYTES: usize = 2 << 20;

/// One picture as an SVG file of this width in pixels.
pub fn svg(chart: &Chart, width: f64) -> String {
    let style = format!("<![CDATA[{}]]>", style::picture());
    draw(chart, width)
        .finish("chart", &chart.headline, Some(&style))
        .into_string()
}

/// The page of some charts, in the order of their places; equal ones in the order in which they come.
///
/// # Errors
/// More than [`MAX_CHARTS`] charts, or a page of more than [`MAX_BYTES`].
pub fn page(mut charts: Vec<Chart>, title: &str) -> Result<String, Error> {
    if charts.len() > MAX_CHARTS {
        return Err(Error::argument("charts", charts.len(), format!("{MAX_CHARTS} at most")));
    }
    charts.sort_by_key(|chart| chart.place);
    let page = markup(&charts, &plain(title)).into_string();
    if page.len() > MAX_BYTES {
        let largest = charts.iter().max_by_key(|chart| figure(chart, "c").into_string().len());
        let name = largest.map_or(String::new(), |chart| plain(&chart.name));
        return Err(Error::argument(
            "charts",
            format!("a page of {} bytes, most of them of '{name}'", page.len()),
            format!("{MAX_BYTES} bytes at most"),
        ));
    }
    Ok(page)
}

fn hash(text: &str) -> String {
    BASE64_STANDARD.encode(Sha256::digest(text.as_bytes()))
}

/// What a browser may do with the page: show it in these styles and run this script.
fn policy(style: &str) -> String {
    format!(
        "default-src 'none'; style-src 'sha256-{}'; script-src 'sha256-{}'; base-uri 'none'; form-action 'none'",
        hash(style),
        hash(SCRIPT)
    )
}

/// Charts under one heading, with the anchor of each.
type Section<'a> = (&'a str, Vec<(&'a Chart, String)>);

fn sections(charts: &[Chart]) -> Vec<Section<'_>> {
    let numbered: Vec<(usize, &Chart)> = charts.iter().enumerate().collect();
    numbered
        .chunk_by(|a, b| a.1.section == b.1.section)
        .map(|charts| {
            let anchored = charts
                .iter()
                .map(|(number, chart)| (*chart, format!("c{}", number + 1)));
            (charts[0].1.section.as_str(), anchored.collect())
        })
        .collect()
}

fn markup(charts: &[Chart], title: &str) -> Markup {
    let style = style::page();
    let sections = sections(charts);
    let found = sections.iter().flat_map(|(_, charts)| charts);
    let found: Vec<&(&Chart, String)> = found.filter(|(chart, _)| !chart.headline.is_empty()).collect();
    html! {
        (DOCTYPE)
        html lang="en" class="ff" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(policy(&style));
                meta name="viewport" content="width=device-width,initial-scale=1";
                meta name="referrer" content="no-referrer";
                meta name="color-scheme" content="light dark";
                title { (or(title, "Charts")) }
                style { (PreEscaped(&style)) }
            }
            body {
                // Quotation marks are doubled by a COPY to CSV, so the class is lost and the line is seen.
                p class="broken" { "This file was not written as it is: COPY (FROM footfall.page(…)) TO 'page.html' (FORMAT blob)" }
                a class="skip" href="#main" { "Skip to the charts" }
                header {
                    h1 { (or(title, "Charts")) }
                    button type="button" id="theme" hidden { "Dark" }
                }
                @if sections.len() > 1 {
                    nav aria-label="Contents" {
                        ol {
                            @for (number, (name, _)) in sections.iter().enumerate() {
                                li { a href={ "#s" (number + 1) } { (or(name, "Charts")) } }
                            }
                        }
                    }
                }
                main id="main" {
                    @if found.len() > 1 {
                        section aria-labelledby="found" {
                            h2 id="found" { "What the numbers say" }
                            ul class="finds" {
                                @for (chart, anchor) in found { li { a href={ "#" (anchor) } { (chart.headline) } } }
                            }
                        }
                    }
                    @for (number, (name, charts)) in sections.iter().enumerate() {
                        section aria-labelledby={ "s" (number + 1) } {
                            h2 id={ "s" (number + 1) } { (or(name, "Charts")) }
                            @for (chart, anchor) in charts { (figure(chart, anchor)) }
                        }
                    }
                }
                footer { p { "One file: nothing is loaded and nothing is sent." } }
                div id="tip" role="status" aria-live="polite" hidden {}
                script { (PreEscaped(SCRIPT)) }
            }
        }
    }
}

/// A heading may not be empty.
fn or<'a>(text: &'a str, other: &'a str) -> &'a str {
    if text.trim().is_empty() { other } else { text }
}

fn figure(chart: &Chart, anchor: &str) -> Markup {
    let headline = or(&chart.headline, or(&chart.name, "Chart"));
    let picture = |class: &str, width: f64| {
        html! { div class=(class) { (draw(chart, width).finish(&format!("{anchor}-{class}"), headline, None)) } }
    };
    html! {
        article class="fig" id=(anchor) aria-labelledby={ (anchor) "-h" } {
            h3 id={ (anchor) "-h" } { (headline) }
            figure {
                (picture("wide", WIDE))
                (picture("narrow", NARROW))
                @if !chart.caption.is_empty() { figcaption { (chart.caption) } }
            }
            @if !chart.marks.is_empty() { details { summary { "Numbers" } (table(chart, headline)) } }
            @if !chart.sql.is_empty() { details { summary { "SQL" } pre { code { (chart.sql) } } } }
        }
    }
}

/// A column of the table of numbers: its heading, whether it holds numbers, and a cell.
type Column<'a> = (&'a str, bool, fn(&Chart, &Mark) -> String);

fn table(chart: &Chart, name: &str) -> Markup {
    fn value(chart: &Chart, number: Option<f64>) -> String {
        number.map_or(String::new(), |number| chart.format.value(number))
    }
    let all: [Column; 8] = [
        ("series", false, |_, mark| mark.series.clone()),
        ("label", false, |_, mark| mark.label.clone()),
        (or(&chart.x_label, "x"), true, |_, mark| {
            mark.x.map_or(String::new(), number)
        }),
        (or(&chart.y_label, "value"), true, |chart, mark| value(chart, mark.y)),
        ("low", true, |chart, mark| value(chart, mark.low)),
        ("high", true, |chart, mark| value(chart, mark.high)),
        ("size", true, |_, mark| mark.size.map_or(String::new(), number)),
        ("note", false, |_, mark| mark.note.clone()),
    ];
    let is_used = |column: &&Column| chart.marks.iter().any(|mark| !column.2(chart, mark).is_empty());
    let columns: Vec<&Column> = all.iter().filter(is_used).collect();
    html! {
        div class="scroll" tabindex="0" role="region" aria-label={ "Numbers: " (name) } {
            table {
                thead { tr { @for (heading, is_number, _) in &columns { th scope="col" class=[is_number.then_some("r")] { (heading) } } } }
                tbody {
                    @for mark in &chart.marks {
                        tr { @for (_, is_number, cell) in &columns { td class=[is_number.then_some("r")] { (cell(chart, mark)) } } }
                    }
                }
            }
        }
    }
}
