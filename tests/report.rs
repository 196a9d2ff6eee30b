//! Whatever a chart holds, its picture is well formed, has nothing but our own elements and attributes, no number that is
//! none, and nothing outside its box.

use footfall::report::{Chart, Kind, Mark, page, plain};
use proptest::prelude::*;

const KINDS: [Kind; 11] = [
    Kind::Bars,
    Kind::Dots,
    Kind::Columns,
    Kind::Lines,
    Kind::HeatMap,
    Kind::Grid,
    Kind::Funnel,
    Kind::Bubbles,
    Kind::Parts,
    Kind::Calibration,
    Kind::Curves,
];

const WIDTHS: [f64; 3] = [200.0, 344.0, 720.0];

const HOSTILE: [&str; 12] = [
    "<script>alert(1)</script>",
    "\" onload=\"alert(1)",
    "' onmouseover='alert(1)",
    "</title></svg></style><img src=x onerror=alert(1)>",
    "]]><![CDATA[",
    "<!--",
    "javascript:alert(1)",
    "\u{202e}gnp.exe\u{2066}",
    "a\0b\u{1b}[31m\u{7f}",
    "&lt;b&gt;&amp;&#x3c;",
    "",
    "買う🛒e\u{301}",
];

/// The elements of a picture or page, each with its name and its attributes.
type Elements = Vec<(String, Vec<(String, String)>)>;

/// Reads markup whose every element is closed, or is one of those that HTML has without an end.
fn elements(markup: &str) -> Elements {
    const VOID: [&str; 2] = ["meta", "!DOCTYPE"];
    let (mut open, mut found) = (Vec::new(), Vec::new());
    let mut rest = markup;
    while let Some(at) = rest.find('<') {
        rest = &rest[at + 1..];
        let inside = &rest[..rest.find('>').expect("an element that ends")];
        rest = &rest[inside.len() + 1..];
        if let Some(name) = inside.strip_prefix('/') {
            assert_eq!(open.pop().as_deref(), Some(name), "{inside}");
            continue;
        }
        let name = inside.split(' ').next().unwrap().to_owned();
        let mut attributes = Vec::new();
        let mut left = inside[name.len()..].trim_start();
        while name != "!DOCTYPE" && !left.is_empty() {
            let key = &left[..left.find(['=', ' ']).unwrap_or(left.len())];
            left = &left[key.len()..];
            let value = match left.strip_prefix("=\"") {
                Some(quoted) => {
                    let value = &quoted[..quoted.find('"').expect("a quoted value")];
                    left = &quoted[value.len() + 1..];
                    value
                }
                None => "",
            };
            left = left.trim_start();
            attributes.push((key.to_owned(), value.to_owned()));
        }
        if !VOID.contains(&name.as_str()) {
            open.push(name.clone());
        }
        // What stands in a script or a style is no markup.
        if ["script", "style"].contains(&name.as_str()) {
            rest = &rest[rest.find(&format!("</{name}>")).expect("an end")..];
        }
        found.push((name, attributes));
    }
    assert!(open.is_empty(), "{open:?}");
    found
}

fn value(attributes: &[(String, String)], name: &str) -> Option<f64> {
    let found = attributes.iter().find(|(key, _)| key == name)?;
    Some(found.1.parse().unwrap_or_else(|_| panic!("{name} is {}", found.1)))
}

/// Panics unless the picture is as the head of this file says.
fn check(svg: &str) -> Elements {
    let elements = elements(svg);
    let width = value(&elements[0].1, "width").unwrap();
    let height = value(&elements[0].1, "height").unwrap();
    for (name, attributes) in &elements {
        assert!(
            ["svg", "title", "style", "rect", "line", "path", "circle", "text"].contains(&name.as_str()),
            "{name}"
        );
        for (key, value) in attributes {
            const ALLOWED: [&str; 21] = [
                "xmlns",
                "class",
                "viewBox",
                "width",
                "height",
                "role",
                "aria-labelledby",
                "id",
                "x",
                "y",
                "x1",
                "x2",
                "y1",
                "y2",
                "cx",
                "cy",
                "r",
                "d",
                "fill-opacity",
                "text-anchor",
                "data-t",
            ];
            assert!(ALLOWED.contains(&key.as_str()), "{key}");
            let is_text = [
                "data-t",
                "class",
                "xmlns",
                "role",
                "aria-labelledby",
                "id",
                "text-anchor",
            ]
            .contains(&key.as_str());
            assert!(
                is_text || !(value.contains("NaN") || value.contains("inf")),
                "{key}={value}"
            );
        }
        let of = |name: &str| value(attributes, name);
        let inside = |x: Option<f64>, y: Option<f64>| {
            assert!(
                x.is_none_or(|x| (-1.0..=width + 1.0).contains(&x)),
                "{x:?} of {width}: {attributes:?}"
            );
            assert!(
                y.is_none_or(|y| (-1.0..=height + 1.0).contains(&y)),
                "{y:?} of {height}: {attributes:?}"
            );
        };
        match name.as_str() {
            "rect" => {
                inside(of("x"), of("y"));
                let end = |from: &str, size: &str| Some(of(from).unwrap_or(0.0) + of(size).unwrap());
                inside(end("x", "width"), end("y", "height"));
            }
            "line" => {
                inside(of("x1"), of("y1"));
                inside(of("x2"), of("y2"));
            }
            "circle" => inside(of("cx"), of("cy")),
            "text" => inside(of("x"), of("y")),
            _ => (),
        }
    }
    elements
}

fn numbers() -> impl Strategy<Value = Option<f64>> {
    prop_oneof![
        1 => Just(None),
        4 => (-100i32..1000).prop_map(|n| Some(f64::from(n) / 7.0)),
        2 => any::<f64>().prop_map(Some),
        1 => prop_oneof![Just(f64::MAX), Just(f64::MIN), Just(f64::MIN_POSITIVE), Just(5e-324), Just(f64::NAN), Just(f64::INFINITY), Just(0.0)].prop_map(Some),
    ]
}

fn names() -> impl Strategy<Value = String> {
    prop_oneof![
        (0..HOSTILE.len()).prop_map(|n| HOSTILE[n].to_owned()),
        (0u8..4).prop_map(|n| format!("name {n}")),
        proptest::collection::vec(any::<char>(), 0..40).prop_map(|letters| letters.into_iter().collect()),
        Just("W".repeat(300)),
    ]
}

prop_compose! {
    fn marks()(
        series in names(), label in names(), note in names(), numbers in proptest::array::uniform5(numbers()), strong in any::<bool>()
    ) -> Mark {
        let [x, y, low, high, size] = numbers;
        Mark { series, label, x, y, low, high, size, note, strong }
    }
}

prop_compose! {
    fn charts()(
        kind in 0..KINDS.len(), marks in proptest::collection::vec(marks(), 0..24), texts in proptest::array::uniform6(names()), reference in numbers()
    ) -> Chart {
        let [headline, caption, x_label, y_label, section, sql] = texts;
        Chart { kind: KINDS[kind], marks, headline, caption, x_label, y_label, section, sql, reference, ..Chart::default() }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn any_chart_has_a_sound_picture(chart in charts(), width in 0..WIDTHS.len()) {
        let chart = chart.checked("charts").unwrap();
        check(&page::svg(&chart, WIDTHS[width]));
        prop_assert!(!plain::text(&chart, 26).contains('\0'));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn any_page_runs_and_loads_nothing_of_its_data(charts in proptest::collection::vec(charts(), 0..5), title in names()) {
        let charts: Vec<Chart> = charts.into_iter().map(|chart| chart.checked("charts").unwrap()).collect();
        let page = page::page(charts, &title).unwrap();
        let elements = elements(&page);
        prop_assert_eq!(elements.iter().filter(|(name, _)| name == "script").count(), 1);
        prop_assert_eq!(elements.iter().filter(|(name, _)| name == "style").count(), 1);
        for (name, attributes) in &elements {
            prop_assert!(!["img", "iframe", "object", "embed", "link", "form", "base", "foreignObject", "use", "image"].contains(&name.as_str()));
            for (key, value) in attributes {
                prop_assert!(!key.starts_with("on") && key != "src" && key != "style", "{key}");
                prop_assert!(key != "href" || value.starts_with('#'), "{value}");
            }
        }
    }
}

fn chart(kind: Kind, n: usize) -> Chart {
    let mark = |i: usize| Mark {
        series: format!("group {}", i % 3),
        label: format!("row {}", i / 3),
        x: Some((i / 3) as f64),
        y: Some(1.0 + (i * 7 % 11) as f64),
        ..Mark::default()
    };
    Chart {
        kind,
        marks: (0..n).map(mark).collect(),
        ..Chart::default()
    }
}

#[test]
fn a_chart_has_as_many_marks_as_rows() {
    for kind in KINDS {
        for width in WIDTHS {
            let marked = check(&page::svg(&chart(kind, 30), width));
            let n = marked
                .iter()
                .filter(|(_, attributes)| attributes.iter().any(|(key, _)| key == "data-t"))
                .count();
            // The edges of a heat map say means and sums of their own.
            let edges = if kind == Kind::HeatMap {
                if width < 500.0 { 3 } else { 13 }
            } else {
                0
            };
            assert_eq!(n, 30 + edges, "{kind:?} at {width}");
        }
    }
}

#[test]
fn nothing_to_draw_says_so() {
    for kind in KINDS {
        let mut chart = chart(kind, 3);
        for mark in &mut chart.marks {
            mark.y = Some(f64::NAN);
        }
        let svg = page::svg(&chart.checked("charts").unwrap(), 720.0);
        assert!(svg.contains(">No data</text>"), "{kind:?}: {svg}");
    }
}

#[test]
fn a_page_has_its_limits() {
    let message = |charts: Vec<Chart>| page::page(charts, "Page").unwrap_err().to_string();
    assert_eq!(
        message(vec![chart(Kind::Bars, 1); 25]),
        "argument 'charts' is 25; allowed: 24 at most"
    );
    let many = chart(Kind::Bars, 501).checked("charts").unwrap_err().to_string();
    assert_eq!(
        many,
        "argument 'charts' is one ('') with 501 marks; allowed: 500 at most: bin or leave out"
    );
    let mut large = chart(Kind::Bars, 2);
    large.name = "mine".into();
    large.sql = "x".repeat(page::MAX_BYTES);
    let large = message(vec![chart(Kind::Bars, 3), large]);
    assert!(
        large.starts_with("argument 'charts' is a page of ") && large.contains("most of them of 'mine'"),
        "{large}"
    );
}

/// Drawing is a small part of a second; what draws again and again for each of its points is not done in ten.
#[test]
fn a_page_is_drawn_soon() {
    let charts: Vec<Chart> = (0..24).map(|n| chart(KINDS[n % KINDS.len()], 60)).collect();
    let started = std::time::Instant::now();
    page::page(charts, "Page").unwrap();
    let took = started.elapsed();
    assert!(took.as_secs() < 10, "{took:?}");
}
