//! What tokens stand for: names or numbers, each once and in order.

use super::token::{Token, Width};
use crate::error::Error;
use crate::format::{File, Format};
use crate::limits::{MAX_ACTIONS, MAX_ENTRIES, MAX_NAME_BYTES};
use safetensors::tensor::Dtype;
use std::borrow::Cow;
use std::sync::Arc;

/// Tensors of the entries where they are too many for JSON, or no names: where each name begins in the text,
/// and where the last ends (U32, one more than names), and the text (U8, UTF-8); or the numbers (I64).
const OFFSETS: &str = "vocabulary.offsets";
const TEXT: &str = "vocabulary.text";
const IDS: &str = "vocabulary.ids";

/// Distinct names in the order of their bytes, or distinct 64-bit numbers in theirs; the token of an entry is its
/// place.
///
/// Sorted, so that the same entries give the same tokens whatever order the rows came in. Entries are looked up by
/// halving: nothing is built when a vocabulary is read. Clones share the entries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vocabulary {
    entries: Arc<Entries>,
}

#[derive(Debug, PartialEq, Eq)]
enum Entries {
    Names(Names),
    Ids(Vec<i64>),
}

/// All names as one text.
#[derive(Debug, PartialEq, Eq)]
struct Names {
    text: String,
    /// Where each name begins, and where the last ends.
    offsets: Vec<u32>,
}

/// A tensor to be written: name, type, number of elements and bytes.
pub(crate) type Written<'a> = (&'static str, Dtype, usize, Cow<'a, [u8]>);

impl Vocabulary {
    /// A vocabulary of the given names, in any order, repeated or not.
    ///
    /// # Errors
    /// [`Error::Argument`] with more than [`MAX_ENTRIES`] names or 2³² − 1 bytes, [`Error::NoData`] with none.
    pub fn new(names: impl IntoIterator<Item = String>) -> Result<Self, Error> {
        Self::of_names(names, MAX_ENTRIES, u32::MAX as usize)
    }

    /// The names of the actions of a model of the next one.
    ///
    /// # Errors
    /// As [`Vocabulary::new`], with [`MAX_ACTIONS`] names and [`MAX_NAME_BYTES`] bytes.
    pub fn of_actions(names: impl IntoIterator<Item = String>) -> Result<Self, Error> {
        Self::of_names(names, MAX_ACTIONS, MAX_NAME_BYTES)
    }

    fn of_names(names: impl IntoIterator<Item = String>, most_names: usize, most_bytes: usize) -> Result<Self, Error> {
        let mut names: Vec<String> = names.into_iter().collect();
        names.sort_unstable();
        names.dedup();
        if names.is_empty() {
            return Err(Error::NoData(
                "argument 'actions' holds no action at all: every row is NULL or empty".into(),
            ));
        }
        if names.len() > most_names {
            return Err(Error::argument(
                "actions",
                format!("a column with {} distinct actions", names.len()),
                format!("at most {most_names}; group the rare ones under one name first"),
            ));
        }
        let n_bytes: usize = names.iter().map(String::len).sum();
        if n_bytes > most_bytes {
            return Err(Error::argument(
                "actions",
                format!("a column whose distinct actions have {n_bytes} bytes together"),
                format!("at most {most_bytes} bytes; give the actions short names first"),
            ));
        }
        Ok(Self::from_entries(Entries::Names(Names::new(&names))))
    }

    /// A vocabulary of the given numbers, in any order, repeated or not. The name of a number is its decimal digits.
    ///
    /// # Errors
    /// [`Error::Argument`] with more than [`MAX_ENTRIES`], [`Error::NoData`] with none.
    pub fn of_ids(ids: impl IntoIterator<Item = i64>) -> Result<Self, Error> {
        let mut ids: Vec<i64> = ids.into_iter().collect();
        ids.sort_unstable();
        ids.dedup();
        match ids.len() {
            0 => Err(Error::NoData(
                "argument 'actions' holds no action at all: every row is NULL or empty".into(),
            )),
            1..=MAX_ENTRIES => Ok(Self::from_entries(Entries::Ids(ids))),
            n => Err(Error::argument(
                "actions",
                format!("a column with {n} distinct actions"),
                format!("at most {MAX_ENTRIES}; group the rare ones first"),
            )),
        }
    }

    fn from_entries(entries: Entries) -> Self {
        Self {
            entries: Arc::new(entries),
        }
    }

    /// Number of entries.
    #[inline]
    pub fn len(&self) -> usize {
        match &*self.entries {
            Entries::Names(names) => names.len(),
            Entries::Ids(ids) => ids.len(),
        }
    }

    /// Never: a vocabulary has at least one entry.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How its tokens are stored.
    pub fn width(&self) -> Width {
        Width::of(self.len())
    }

    /// The name at a place.
    ///
    /// # Panics
    /// When there are not that many.
    #[inline]
    pub fn name(&self, place: usize) -> Cow<'_, str> {
        match &*self.entries {
            Entries::Names(names) => names.at(place).into(),
            Entries::Ids(ids) => ids[place].to_string().into(),
        }
    }

    /// All names, by token.
    #[inline]
    pub fn names(&self) -> impl ExactSizeIterator<Item = Cow<'_, str>> + Clone {
        (0..self.len()).map(|place| self.name(place))
    }

    /// The first names, for an error: as many as make some lines of text.
    pub fn listed(&self) -> String {
        self.listed_within(1000)
    }

    /// With commas between them, up to `most` characters.
    fn listed_within(&self, most: usize) -> String {
        let mut list = String::new();
        for (place, name) in self.names().enumerate() {
            list += if place > 0 { ", " } else { "" };
            list += &shorten(&name, most + 1);
            if list.chars().count() > most {
                break;
            }
        }
        shorten(&list, most)
    }

    /// The error of a name in `argument` that is not known, with those that are.
    pub fn unknown(&self, argument: &'static str, name: &[u8]) -> Error {
        const MOST: usize = 100;
        Error::UnknownAction {
            argument,
            action: shorten(&String::from_utf8_lossy(name), MOST),
            known: self.listed_within(MOST),
        }
    }

    /// The token of a name; `None` for one that is not known.
    pub fn find(&self, name: &[u8]) -> Option<Token> {
        match &*self.entries {
            Entries::Names(names) => names.find(name),
            Entries::Ids(_) => self.find_id(decimal(name)?),
        }
    }

    /// The token of a number; `None` for one that is not known, and where the entries are names.
    pub fn find_id(&self, id: i64) -> Option<Token> {
        match &*self.entries {
            Entries::Names(_) => None,
            Entries::Ids(ids) => ids.binary_search(&id).ok().map(|place| Token(place as u32)),
        }
    }
}

/// In files.
impl Vocabulary {
    /// The names where they stand in the JSON of a file: those that a file could hold before there were tensors for
    /// them, so that whoever read such a file still does.
    pub(crate) fn in_json(&self) -> Option<Vec<String>> {
        self.fits_json().then(|| self.names().map(Cow::into_owned).collect())
    }

    fn fits_json(&self) -> bool {
        match &*self.entries {
            Entries::Names(names) => names.len() <= MAX_ACTIONS && names.text.len() <= MAX_NAME_BYTES,
            Entries::Ids(_) => false,
        }
    }

    /// Refuses a vocabulary that is none of a model of the next action, where a dataset has it.
    ///
    /// # Errors
    /// [`Error::Argument`] with other than what [`Vocabulary::of_actions`] makes.
    pub fn check_actions(&self) -> Result<(), Error> {
        if self.fits_json() {
            return Ok(());
        }
        let received = match &*self.entries {
            Entries::Names(names) => format!(
                "one of {} distinct actions with {} bytes",
                names.len(),
                names.text.len()
            ),
            Entries::Ids(ids) => format!("one of {} numbers", ids.len()),
        };
        let allowed = format!("one of at most {MAX_ACTIONS} named actions with {MAX_NAME_BYTES} bytes together");
        Err(Error::argument("dataset", received, allowed))
    }

    /// The tensors of a vocabulary that is not [`in_json`](Vocabulary::in_json).
    pub(crate) fn tensors(&self) -> Vec<Written<'_>> {
        match &*self.entries {
            _ if self.fits_json() => Vec::new(),
            Entries::Names(Names { text, offsets }) => {
                let bytes: Vec<u8> = offsets.iter().flat_map(|offset| offset.to_le_bytes()).collect();
                vec![
                    (OFFSETS, Dtype::U32, offsets.len(), bytes.into()),
                    (TEXT, Dtype::U8, text.len(), text.as_bytes().into()),
                ]
            }
            Entries::Ids(ids) => {
                let bytes: Vec<u8> = ids.iter().flat_map(|id| id.to_le_bytes()).collect();
                vec![(IDS, Dtype::I64, ids.len(), bytes.into())]
            }
        }
    }

    /// The vocabulary of a file: `in_json`, or else from its tensors.
    ///
    /// # Errors
    /// [`Error::Damaged`].
    pub(crate) fn read(format: &Format, file: &File, in_json: Option<Vec<String>>) -> Result<Self, Error> {
        let entries = match in_json {
            Some(names) => return Self::from_json(names).map_err(|reason| format.damaged(reason)),
            None if file.holds(IDS) => Self::ids_of_bytes(format.tensor(file, IDS, Dtype::I64)?.data()),
            None => {
                let offsets = format.tensor(file, OFFSETS, Dtype::U32)?.data().as_chunks().0;
                let offsets = offsets.iter().map(|&offset| u32::from_le_bytes(offset)).collect();
                Names::from_parts(offsets, format.tensor(file, TEXT, Dtype::U8)?.data()).map(Entries::Names)
            }
        };
        let entries = entries.map_err(|reason| format.damaged(reason))?;
        let vocabulary = Self::from_entries(entries);
        match vocabulary.len() {
            1..=MAX_ENTRIES => Ok(vocabulary),
            n => Err(format.damaged(format!("it has {n} distinct actions; allowed: 1 to {MAX_ENTRIES}"))),
        }
    }

    /// The names that [`in_json`](Vocabulary::in_json) gave. What goes with them is in the order of their tokens, so they
    /// are not put in order again.
    pub(crate) fn from_json(names: Vec<String>) -> Result<Self, String> {
        let n_bytes: usize = names.iter().map(String::len).sum();
        match names.len() {
            0 => Err("it has no actions".to_owned()),
            n if n > MAX_ACTIONS => Err(format!("it has {n} distinct actions; allowed: 1 to {MAX_ACTIONS}")),
            _ if n_bytes > MAX_NAME_BYTES => Err(format!(
                "its distinct actions have {n_bytes} bytes together; allowed: at most {MAX_NAME_BYTES}"
            )),
            _ => Ok(Self::from_entries(Entries::Names(Names::new(&names).in_order()?))),
        }
    }

    fn ids_of_bytes(bytes: &[u8]) -> Result<Entries, String> {
        let ids: Vec<i64> = bytes.as_chunks().0.iter().map(|&id| i64::from_le_bytes(id)).collect();
        match ids.windows(2).find(|pair| pair[0] >= pair[1]) {
            Some(pair) => Err(format!(
                "the numbers of its actions do not rise: {} stands before {}",
                pair[0], pair[1]
            )),
            None => Ok(Entries::Ids(ids)),
        }
    }
}

impl Names {
    /// Of names whose bytes are below 2³² together.
    fn new(names: &[String]) -> Self {
        let ends = names.iter().scan(0u32, |end, name| {
            *end += name.len() as u32;
            Some(*end)
        });
        Self {
            offsets: std::iter::once(0).chain(ends).collect(),
            text: names.concat(),
        }
    }

    /// Of what a file holds.
    fn from_parts(offsets: Vec<u32>, text: &[u8]) -> Result<Self, String> {
        let does_not_fit = || "the offsets of its actions do not fit their text".to_owned();
        let text = std::str::from_utf8(text).map_err(|_| "the text of its actions is not UTF-8".to_owned())?;
        let ends_whole = offsets.first() == Some(&0) && offsets.last().map(|&end| end as usize) == Some(text.len());
        let rises = offsets.windows(2).all(|pair| pair[0] <= pair[1]);
        // Where they rise to the length of the text, none is behind it.
        if !ends_whole || !rises || !offsets.iter().all(|&offset| text.is_char_boundary(offset as usize)) {
            return Err(does_not_fit());
        }
        Self {
            text: text.to_owned(),
            offsets,
        }
        .in_order()
    }

    /// Refuses names that are not in the order of their bytes, each of them once.
    fn in_order(self) -> Result<Self, String> {
        let pair = (1..self.len()).map(|place| (self.at(place - 1), self.at(place)));
        match { pair }.find(|(before, name)| before >= name) {
            Some((before, name)) => Err(format!(
                "its actions are not in alphabetical order, each of them once: '{}' stands before '{}'",
                shorten(before, 100),
                shorten(name, 100)
            )),
            None => Ok(self),
        }
    }

    fn len(&self) -> usize {
        self.offsets.len() - 1
    }

    #[inline]
    fn at(&self, place: usize) -> &str {
        &self.text[self.offsets[place] as usize..self.offsets[place + 1] as usize]
    }

    fn find(&self, name: &[u8]) -> Option<Token> {
        let bytes =
            |place: usize| &self.text.as_bytes()[self.offsets[place] as usize..self.offsets[place + 1] as usize];
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low.midpoint(high);
            match bytes(middle).cmp(name) {
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
                std::cmp::Ordering::Equal => return Some(Token(middle as u32)),
            }
        }
        None
    }
}

/// The number that is written with these digits, and in no other way: 7, not +7 or 07.
fn decimal(digits: &[u8]) -> Option<i64> {
    let unsigned = digits.strip_prefix(b"-").unwrap_or(digits);
    let is_shortest = match unsigned {
        [b'0'] => unsigned.len() == digits.len(),
        [first, ..] => (b'1'..=b'9').contains(first),
        [] => false,
    };
    is_shortest.then(|| std::str::from_utf8(digits).ok()?.parse().ok())?
}

/// Enough of a text to recognise it in an error.
fn shorten(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    fn offsets_of(names: &[&str]) -> (Vec<u32>, String) {
        let written = Names::new(&self::names(names));
        (written.offsets, written.text)
    }

    #[test]
    fn tokens_follow_the_alphabet_whatever_the_order() {
        let vocabulary = Vocabulary::new(names(&["pv", "buy", "pv", "fav", "cart"])).unwrap();
        assert_eq!(
            vocabulary.names().collect::<Vec<_>>(),
            names(&["buy", "cart", "fav", "pv"])
        );
        assert_eq!(
            (vocabulary.find(b"pv"), vocabulary.find(b"wish")),
            (Some(Token(3)), None)
        );
    }

    #[test]
    fn numbers_are_found_by_value_and_by_their_digits() {
        let vocabulary = Vocabulary::of_ids([7, i64::MAX, -3, 0, i64::MIN, 7]).unwrap();
        let digits = ["-9223372036854775808", "-3", "0", "7", "9223372036854775807"];
        assert_eq!(vocabulary.names().collect::<Vec<_>>(), digits);
        for (place, id) in (0..).zip([i64::MIN, -3, 0, 7, i64::MAX]) {
            assert_eq!(vocabulary.find_id(id), Some(Token(place)));
            assert_eq!(vocabulary.find(digits[place as usize].as_bytes()), Some(Token(place)));
        }
        for other in [
            "+7",
            "07",
            "-0",
            "",
            "-",
            "7.0",
            "7 ",
            "9223372036854775808",
            "seven",
            "\u{0667}",
        ] {
            assert_eq!(vocabulary.find(other.as_bytes()), None, "{other}");
        }
        assert_eq!(vocabulary.find_id(1), None);
        let of_names = Vocabulary::new(names(&["7"])).unwrap();
        assert_eq!((of_names.find_id(7), of_names.find(b"7")), (None, Some(Token(0))));
    }

    #[test]
    fn an_unknown_action_is_named_beside_the_known_ones() {
        let error = Vocabulary::new(names(&["pv", "buy"]))
            .unwrap()
            .unknown("actions", b"wish");
        assert_eq!(
            error.to_string(),
            "argument 'actions' holds 'wish', which the model does not know; it knows buy, pv"
        );
        let many = Vocabulary::new((0..1_000_000).map(|number| number.to_string())).unwrap();
        assert!(many.unknown("actions", b"wish").to_string().len() < 300);
        let long = Vocabulary::new(["ä".repeat(5000)]).unwrap();
        assert_eq!(long.listed().chars().count(), 1001);
    }

    #[test]
    fn names_that_were_written_are_read_as_they_stand() {
        for written in [&["buy", "cart", "pv"][..], &[""], &["", "a", "ä", "買う"]] {
            let (offsets, text) = offsets_of(written);
            let read = Names::from_parts(offsets, text.as_bytes()).unwrap();
            let found: Vec<_> = (0..read.len()).map(|place| read.at(place)).collect();
            assert_eq!(found, written);
        }
        for wrong in [&["pv", "buy"][..], &["buy", "buy"], &["a", "c", "b"], &["", ""]] {
            let (offsets, text) = offsets_of(wrong);
            let error = Names::from_parts(offsets, text.as_bytes()).unwrap_err();
            assert!(error.contains("not in alphabetical order"), "{error}");
            let error = Vocabulary::from_json(names(wrong)).unwrap_err();
            assert!(error.contains("not in alphabetical order"), "{error}");
        }
    }

    #[test]
    fn offsets_that_do_not_fit_the_text_are_refused() {
        let wrong: [(&[u32], &[u8]); 9] = [
            (&[], b"ab"),
            (&[0], b"ab"),
            (&[0, 1], b"ab"),
            (&[1, 2], b"ab"),
            (&[0, 1, 3], b"ab"),
            (&[0, u32::MAX, 2], b"ab"),
            (&[0, 2, 1, 2], b"ab"),
            // Within a character.
            (&[0, 1, 2], "ä".as_bytes()),
            (&[0, 2], b"\xff\xfe"),
        ];
        for (offsets, text) in wrong {
            assert!(Names::from_parts(offsets.to_vec(), text).is_err(), "{offsets:?}");
        }
    }

    /// Reading takes milliseconds, and so does looking a thousand entries up; ten seconds are no busy machine.
    #[test]
    fn a_million_entries_are_read_soon() {
        let names = Vocabulary::new((0..1_000_000).map(|number| format!("item {number:07}"))).unwrap();
        let ids = Vocabulary::of_ids((0..1_000_000).map(|number| number * 9_999_999_967)).unwrap();
        for vocabulary in [names, ids] {
            let tensors = vocabulary.tensors();
            let started = Instant::now();
            let entries = match &tensors[..] {
                [(IDS, _, _, bytes)] => Vocabulary::ids_of_bytes(bytes),
                [(_, _, _, offsets), (_, _, _, text)] => {
                    let offsets = offsets.as_chunks().0.iter().map(|&offset| u32::from_le_bytes(offset));
                    Names::from_parts(offsets.collect(), text).map(Entries::Names)
                }
                _ => unreachable!("names or numbers"),
            };
            let read = Vocabulary::from_entries(entries.unwrap());
            let took = started.elapsed();
            assert!(read == vocabulary && took.as_secs() < 10, "{took:?}");
            let some: Vec<(usize, String)> = (0..1000)
                .map(|nth| nth * 999_983 % 1_000_000)
                .map(|place| (place, read.name(place).into_owned()))
                .collect();
            let started = Instant::now();
            for (place, name) in &some {
                assert_eq!(read.find(name.as_bytes()), Some(Token(*place as u32)));
            }
            println!("read in {took:?}, 1000 found in {:?}", started.elapsed());
        }
    }

    #[test]
    fn too_many_and_no_entries_are_refused() {
        let many = (0..255).map(|number| format!("action {number}"));
        assert!(Vocabulary::new(many.clone()).is_ok());
        assert!(matches!(
            Vocabulary::of_actions(many),
            Err(Error::Argument {
                argument: "actions",
                ..
            })
        ));
        assert!(matches!(Vocabulary::new(Vec::new()), Err(Error::NoData(_))));
        assert!(matches!(Vocabulary::of_ids([]), Err(Error::NoData(_))));
        let long = |n_bytes| Vocabulary::of_actions(["a".repeat(n_bytes), "b".to_owned()]);
        assert!(long(MAX_NAME_BYTES - 1).is_ok());
        assert!(long(MAX_NAME_BYTES).unwrap_err().to_string().contains("2097153 bytes"));
    }
}
