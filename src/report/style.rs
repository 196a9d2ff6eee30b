//! The style sheets: colours by name for light and dark, and what uses them.

/// Colours by name, for light and for dark. Text has at least 4.5 to 1 on its ground in both.
const COLOURS: [(&str, &str, &str); 17] = [
    ("bg", "#fff", "#15181c"),
    ("ink", "#1a1d21", "#e9ecef"),
    ("mut", "#59616b", "#a9b1ba"),
    ("grid", "#e4e7eb", "#2a3037"),
    ("axis", "#8a929c", "#6b747e"),
    ("line", "#d5d9de", "#353c44"),
    ("panel", "#f7f8f9", "#1b1f24"),
    ("c1", "#0b6bb0", "#63b3ed"),
    ("c2", "#b84c09", "#f2995a"),
    ("c3", "#0a7f5f", "#48c7a0"),
    ("c4", "#8a5aa8", "#c79be0"),
    ("seq", "#0b5fa5", "#7cc4f5"),
    ("hi", "#fff", "#000"),
    ("lo", "#000", "#fff"),
    ("soft", "#b9c8d6", "#3f5366"),
    ("calm", "#7ea6c6", "#4d7ea3"),
    ("link", "#0b5fa5", "#8ccbf8"),
];

const PICTURE: &str = include_str!("picture.css");
const PAGE: &str = include_str!("page.css");

fn palette(is_dark: bool) -> String {
    let colour = |(name, light, dark): &(&str, &str, &str)| format!("--{name}:{};", if is_dark { dark } else { light });
    COLOURS.iter().map(colour).collect()
}

/// The style sheet of a page.
pub fn page() -> String {
    let (light, dark) = (palette(false), palette(true));
    format!(
        ".ff{{color-scheme:light;{light}}}\n\
         .ff[data-theme=dark]{{color-scheme:dark;{dark}}}\n\
         @media (prefers-color-scheme:dark){{.ff:not([data-theme=light]){{color-scheme:dark;{dark}}}}}\n\
         @media print{{.ff,.ff[data-theme=dark]{{color-scheme:light;{light}}}}}\n\
         {PICTURE}{PAGE}"
    )
}

/// The style sheet of a picture that stands alone: only what is under its own class, and colours as such, since viewers of
/// pictures know no names for them.
pub fn picture() -> String {
    let with = |is_dark: bool| {
        COLOURS.iter().fold(PICTURE.to_owned(), |style, (name, light, dark)| {
            style.replace(&format!("var(--{name})"), if is_dark { dark } else { light })
        })
    };
    // Text on dark cells: `hl` those of the light theme, `hd` those of the dark one.
    format!(
        "{}.ff .hl{{fill:#fff}}\n@media (prefers-color-scheme:dark){{\n{}.ff .hl{{fill:#fff}}\n.ff .hd{{fill:#000}}\n}}\n",
        with(false),
        with(true)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_alone_names_no_colour() {
        assert!(!picture().contains("var("));
    }

    /// Of one colour on the other, as WCAG 2 has it.
    fn contrast(one: &str, other: &str) -> f64 {
        let luminance = |colour: &str| {
            let digits = colour.trim_start_matches('#');
            let wide = digits.len() == 6;
            let channel = |place: usize| {
                let text = if wide {
                    digits[2 * place..2 * place + 2].to_owned()
                } else {
                    digits[place..=place].repeat(2)
                };
                let value = f64::from(u8::from_str_radix(&text, 16).unwrap()) / 255.0;
                if value <= 0.03928 {
                    value / 12.92
                } else {
                    ((value + 0.055) / 1.055).powf(2.4)
                }
            };
            0.2126 * channel(0) + 0.7152 * channel(1) + 0.0722 * channel(2)
        };
        let (a, b) = (luminance(one), luminance(other));
        (a.max(b) + 0.05) / (a.min(b) + 0.05)
    }

    #[test]
    fn text_can_be_read_on_its_ground_in_light_and_dark() {
        assert!((contrast("#fff", "#000") - 21.0).abs() < 1e-9);
        let named = |wanted: &str| *COLOURS.iter().find(|(name, _, _)| *name == wanted).unwrap();
        for text in ["ink", "mut", "c1", "c2", "c3", "c4", "link"].map(named) {
            for ground in ["bg", "panel"].map(named) {
                let (light, dark) = (contrast(text.1, ground.1), contrast(text.2, ground.2));
                assert!(
                    light >= 4.5 && dark >= 4.5,
                    "{} on {}: {light:.2}, {dark:.2}",
                    text.0,
                    ground.0
                );
            }
        }
    }
}
