//! The actions a model knows, in alphabetical order.

use crate::error::Error;
use crate::limits::{MAX_ACTIONS, MAX_NAME_BYTES};
use serde::{Deserialize, Serialize};

/// Distinct action names; an action's token is its position.
///
/// Sorted, so that the same actions give the same tokens whatever order the
/// rows came in. A shop has a handful of actions, and a token is one byte.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<String>", into = "Vec<String>")]
pub struct Vocabulary {
    actions: Vec<String>,
}

impl Vocabulary {
    /// A vocabulary of the given names, in any order, repeated or not.
    ///
    /// # Errors
    /// [`Error::Argument`] with more than [`MAX_ACTIONS`] names or [`MAX_NAME_BYTES`] bytes,
    /// [`Error::NoData`] with none.
    pub fn new(actions: impl IntoIterator<Item = String>) -> Result<Self, Error> {
        let mut actions: Vec<String> = actions.into_iter().collect();
        actions.sort_unstable();
        actions.dedup();
        if actions.is_empty() {
            return Err(Error::NoData(
                "argument 'actions' holds no action at all: every row is NULL or empty".into(),
            ));
        }
        if actions.len() > MAX_ACTIONS {
            return Err(Error::argument(
                "actions",
                format!("a column with {} distinct actions", actions.len()),
                format!("at most {}; group the rare ones under one name first", MAX_ACTIONS),
            ));
        }
        let n_bytes: usize = actions.iter().map(String::len).sum();
        if n_bytes > MAX_NAME_BYTES {
            return Err(Error::argument(
                "actions",
                format!("a column whose distinct actions have {n_bytes} bytes together"),
                format!("at most {} bytes; give the actions short names first", MAX_NAME_BYTES),
            ));
        }
        Ok(Self { actions })
    }

    /// The names, by token.
    pub fn actions(&self) -> &[String] {
        &self.actions
    }

    /// Number of actions.
    pub fn len(&self) -> usize {
        self.actions.len()
    }

    /// Never: a vocabulary has at least one action.
    pub fn is_empty(&self) -> bool {
        self.actions.is_empty()
    }

    /// The error of a name in `argument` that is not known, with those that are.
    pub fn unknown(&self, argument: &'static str, action: &[u8]) -> Error {
        Error::UnknownAction {
            argument,
            action: shorten(&String::from_utf8_lossy(action)),
            known: shorten(&self.actions.join(", ")),
        }
    }

    /// The token of a name; `None` for one that is not known.
    pub fn find(&self, action: &[u8]) -> Option<u8> {
        let place = self.actions.binary_search_by(|known| known.as_bytes().cmp(action));
        place.ok().map(|token| token as u8)
    }
}

/// Enough of a text to recognise it in an error.
fn shorten(text: &str) -> String {
    const MOST: usize = 100;
    if text.chars().count() <= MOST {
        return text.to_owned();
    }
    text.chars().take(MOST).chain("…".chars()).collect()
}

/// A vocabulary that was written: what goes with it is in the order of its tokens, so it is not put in order again.
impl TryFrom<Vec<String>> for Vocabulary {
    type Error = Error;

    fn try_from(actions: Vec<String>) -> Result<Self, Error> {
        match actions.windows(2).find(|pair| pair[0] >= pair[1]) {
            Some(pair) => Err(Error::NoData(format!(
                "its actions are not in alphabetical order, each of them once: '{}' stands before '{}'",
                shorten(&pair[0]),
                shorten(&pair[1])
            ))),
            None => Self::new(actions),
        }
    }
}

impl From<Vocabulary> for Vec<String> {
    fn from(vocabulary: Vocabulary) -> Self {
        vocabulary.actions
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    #[test]
    fn tokens_follow_the_alphabet_whatever_the_order() {
        let vocabulary = Vocabulary::new(names(&["pv", "buy", "pv", "fav", "cart"])).unwrap();
        assert_eq!(vocabulary.actions(), names(&["buy", "cart", "fav", "pv"]));
        assert_eq!((vocabulary.find(b"pv"), vocabulary.find(b"wish")), (Some(3), None));
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
    }

    #[test]
    fn a_vocabulary_that_was_written_is_read_as_it_stands() {
        let written = names(&["buy", "cart", "pv"]);
        assert_eq!(Vocabulary::try_from(written.clone()).unwrap().actions(), written);
        for wrong in [&["pv", "buy"][..], &["buy", "buy"], &["a", "c", "b"]] {
            let error = Vocabulary::try_from(names(wrong)).unwrap_err().to_string();
            assert!(error.contains("not in alphabetical order"), "{error}");
        }
    }

    #[test]
    fn too_many_and_no_actions_are_refused() {
        let many = (0..255).map(|number| format!("action {number}"));
        assert!(matches!(
            Vocabulary::new(many),
            Err(Error::Argument {
                argument: "actions",
                ..
            })
        ));
        assert!(matches!(Vocabulary::new(Vec::new()), Err(Error::NoData(_))));
        let long = |n_bytes| Vocabulary::new(["a".repeat(n_bytes), "b".to_owned()]);
        assert!(long(MAX_NAME_BYTES - 1).is_ok());
        assert!(long(MAX_NAME_BYTES).unwrap_err().to_string().contains("2097153 bytes"));
    }
}
