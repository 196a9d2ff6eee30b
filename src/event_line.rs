//! One line of an event file in the format of the Taobao User Behavior set, and of its copies.
//!
//! Five fields: user, item, category, action, Unix seconds. Copies that people share were saved
//! by other programs: with quotes, semicolons or tabs, CRLF, a byte order mark, a header. Those say
//! the same and are read. What could say something else (milliseconds, exponents, fractions,
//! another number of fields) is refused with the reason, never taken for another number.

use std::borrow::Cow;

/// The largest distance from 1970 that is believed to be seconds: the year 9999.
const LAST_SECOND: i64 = 253_402_300_799;

/// What a line is.
#[derive(Debug, PartialEq, Eq)]
pub enum Line<'a> {
    /// A row.
    Event(Event<'a>),
    /// The names of the columns.
    Header,
    /// Nothing at all.
    Blank,
    /// Why it is no event.
    Malformed(String),
}

/// The fields of an event; an empty field is `None`.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Event<'a> {
    /// The first column; nothing where it is empty.
    pub user_id: Option<i64>,
    /// The second.
    pub item_id: Option<i64>,
    /// The third.
    pub category_id: Option<i64>,
    /// The fourth.
    pub action: Option<Cow<'a, str>>,
    /// The fifth: seconds since 1970-01-01 UTC.
    pub unix_seconds: Option<i64>,
}

/// Reads a line without its line end.
pub fn parse(line: &[u8]) -> Line<'_> {
    let line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line).trim_ascii_end();
    if line.is_empty() {
        return Line::Blank;
    }
    let mut fields: [Field; 5] = Default::default();
    let n_fields = match split(line, &mut fields) {
        Ok(n_fields) => n_fields,
        Err(reason) => return Line::Malformed(reason.to_owned()),
    };
    if n_fields != 5 {
        let plural = if n_fields == 1 { "" } else { "s" };
        return Line::Malformed(format!("{n_fields} field{plural} instead of 5"));
    }
    let [user, item, category, action, time] = &fields;
    if [user, item, category, time].into_iter().all(Field::is_name) {
        return Line::Header;
    }
    let event = || -> Result<Event, String> {
        Ok(Event {
            user_id: user.whole("user")?,
            item_id: item.whole("item")?,
            category_id: category.whole("category")?,
            action: action.text()?,
            unix_seconds: time.whole("time").and_then(seconds)?,
        })
    };
    event().map_or_else(Line::Malformed, Line::Event)
}

/// A field as it stands in the line, without its quotes.
#[derive(Default, Clone, Copy)]
struct Field<'a> {
    bytes: &'a [u8],
    /// Whether a doubled quote within stands for a single one.
    has_escapes: bool,
}

/// Cuts a line at its delimiter, the first of comma, semicolon and tab outside of quotes, and
/// gives the number of fields, of which the first five are kept.
fn split<'a>(line: &'a [u8], fields: &mut [Field<'a>; 5]) -> Result<usize, &'static str> {
    let (mut rest, mut delimiter, mut n_fields) = (line, None, 0);
    loop {
        let is_delimiter = |&byte: &u8| match delimiter {
            Some(known) => byte == known,
            None => matches!(byte, b',' | b';' | b'\t'),
        };
        let (field, end) = if rest.first() == Some(&b'"') {
            let (field, end) = quoted(rest)?;
            if rest.get(end).is_some_and(|byte| !is_delimiter(byte)) {
                return Err("text after a closing quote");
            }
            (field, end)
        } else {
            let end = rest.iter().position(is_delimiter).unwrap_or(rest.len());
            let bytes = &rest[..end];
            (
                Field {
                    bytes,
                    has_escapes: false,
                },
                end,
            )
        };
        if let Some(slot) = fields.get_mut(n_fields) {
            *slot = field;
        }
        n_fields += 1;
        match rest.get(end) {
            Some(&found) => (delimiter, rest) = (Some(found), &rest[end + 1..]),
            None => return Ok(n_fields),
        }
    }
}

/// The field that begins with a quote at the start of `rest`, and where it ends.
fn quoted(rest: &[u8]) -> Result<(Field<'_>, usize), &'static str> {
    let (mut end, mut has_escapes) = (1, false);
    loop {
        match (rest.get(end), rest.get(end + 1)) {
            (None, _) => return Err("a quote that is not closed"),
            (Some(b'"'), Some(b'"')) => (end, has_escapes) = (end + 2, true),
            (Some(b'"'), _) => break,
            _ => end += 1,
        }
    }
    let bytes = &rest[1..end];
    Ok((Field { bytes, has_escapes }, end + 1))
}

impl<'a> Field<'a> {
    /// Whether the field can be the name of a column: letters, without any digit.
    fn is_name(&self) -> bool {
        self.bytes.iter().any(u8::is_ascii_alphabetic) && !self.bytes.iter().any(u8::is_ascii_digit)
    }

    fn text(&self) -> Result<Option<Cow<'a, str>>, String> {
        let text = std::str::from_utf8(self.bytes)
            .map_err(|_| "text that is not UTF-8: convert the file, for example with iconv".to_owned())?;
        Ok(match (text.is_empty(), self.has_escapes) {
            (true, _) => None,
            (false, false) => Some(text.into()),
            (false, true) => Some(text.replace("\"\"", "\"").into()),
        })
    }

    /// The field as a whole number in plain digits.
    fn whole(&self, name: &str) -> Result<Option<i64>, String> {
        let bytes = self.bytes.trim_ascii();
        let digits = bytes.strip_prefix(b"-").unwrap_or(bytes);
        if bytes.is_empty() {
            return Ok(None);
        }
        let refuse = |why: &str| {
            let shown: String = String::from_utf8_lossy(bytes).chars().take(60).collect();
            Err(format!("{name} '{shown}' is {why}"))
        };
        if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
            return refuse("not a whole number in plain digits");
        }
        // Eighteen digits always fit.
        if digits.len() > 18 {
            let parsed = std::str::from_utf8(bytes).ok().and_then(|text| text.parse().ok());
            return parsed.map_or_else(|| refuse("beyond 64 bits"), |value| Ok(Some(value)));
        }
        let value = digits
            .iter()
            .fold(0, |value, digit| 10 * value + i64::from(digit - b'0'));
        Ok(Some(if digits.len() < bytes.len() { -value } else { value }))
    }
}

/// Refuses what cannot be seconds.
fn seconds(value: Option<i64>) -> Result<Option<i64>, String> {
    match value {
        Some(time) if time.unsigned_abs() > LAST_SECOND as u64 => {
            let unit = match time.unsigned_abs() {
                ..100_000_000_000_000 => "milliseconds",
                100_000_000_000_000..100_000_000_000_000_000 => "microseconds",
                _ => "nanoseconds",
            };
            Err(format!(
                "time {time} is beyond the year 9999 in seconds; it looks like {unit}"
            ))
        }
        _ => Ok(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: Event = Event {
        user_id: Some(1),
        item_id: Some(10),
        category_id: Some(-100),
        action: Some(Cow::Borrowed("pv")),
        unix_seconds: Some(1_511_614_800),
    };

    fn reason(line: &str) -> String {
        match parse(line.as_bytes()) {
            Line::Malformed(reason) => reason,
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn the_same_event_in_other_clothes_is_the_same_event() {
        for line in [
            "1,10,-100,pv,1511614800",
            "1,10,-100,pv,1511614800\r",
            "\u{feff}1,10,-100,pv,1511614800",
            "1;10;-100;pv;1511614800",
            "1\t10\t-100\tpv\t1511614800",
            "\"1\",\"10\",\"-100\",\"pv\",\"1511614800\"\r",
            "1,10,-100,\"pv\",1511614800",
            "0001, 10 ,-100,pv, 1511614800 ",
        ] {
            assert_eq!(parse(line.as_bytes()), Line::Event(KNOWN), "{line}");
        }
    }

    #[test]
    fn an_empty_field_is_nothing_and_an_action_may_hold_anything() {
        let empty = Event {
            user_id: None,
            item_id: None,
            category_id: None,
            action: None,
            unix_seconds: None,
        };
        assert_eq!(parse(b",,,,"), Line::Event(empty));
        let odd = Event {
            action: Some("a,\"b\";".into()),
            ..KNOWN
        };
        assert_eq!(parse(b"1,10,-100,\"a,\"\"b\"\";\",1511614800"), Line::Event(odd));
        assert!(matches!(
            parse("1,10,-100,買う,0".as_bytes()),
            Line::Event(Event {
                action: Some(Cow::Borrowed("買う")),
                ..
            })
        ));
    }

    #[test]
    fn names_of_columns_and_blank_lines_are_no_events() {
        assert_eq!(
            parse(b"user_id,item_id,category_id,behavior_type,timestamp"),
            Line::Header
        );
        assert_eq!(
            parse(b"\"User\";\"Item\";\"Category\";\"Type\";\"Time\"\r"),
            Line::Header
        );
        for blank in ["", "\r", "  ", "\u{feff}"] {
            assert_eq!(parse(blank.as_bytes()), Line::Blank);
        }
    }

    #[test]
    fn another_notation_is_never_another_number() {
        for (line, part) in [
            ("1,10,100,pv,1511614800000", "milliseconds"),
            ("1,10,100,pv,1511614800000000", "microseconds"),
            ("1,10,100,pv,1511614800000000000", "nanoseconds"),
            ("1,10,100,pv,-1511614800000", "milliseconds"),
            ("1,10,100,pv,1.5116148E9", "time '1.5116148E9' is not a whole number"),
            ("1,10,100,pv,1511614800.0", "not a whole number"),
            ("1,10,100,pv,2017-11-25 21:00:00", "not a whole number"),
            ("1.0,10,100,pv,1511614800", "user '1.0'"),
            ("1e5,10,100,pv,1511614800", "user '1e5'"),
            ("1,+10,100,pv,1511614800", "item '+10'"),
            ("1,10,0x10,pv,1511614800", "category '0x10'"),
            ("1,10,1_000,pv,1511614800", "category '1_000'"),
            ("1,10,-,pv,1511614800", "category '-'"),
            ("9223372036854775808,10,100,pv,1511614800", "beyond 64 bits"),
            ("1,10,100,pv", "4 fields instead of 5"),
            ("1", "1 field instead of 5"),
            ("1,10,100,pv,1511614800,", "6 fields instead of 5"),
            ("1,10,100,pv;1511614800", "4 fields"),
            ("1,10,100,\"pv,1511614800", "not closed"),
            ("1,10,100,\"p\"v,1511614800", "after a closing quote"),
        ] {
            assert!(reason(line).contains(part), "{line}: {}", reason(line));
        }
        assert!(matches!(parse(b"1,10,100,\xff\xfe,1"), Line::Malformed(reason) if reason.contains("UTF-8")));
        let last = parse(b"1,10,100,pv,253402300799");
        assert!(matches!(
            last,
            Line::Event(Event {
                unix_seconds: Some(253_402_300_799),
                ..
            })
        ));
    }
}
