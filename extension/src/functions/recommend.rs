//! `recommend(model, items, k[, exclude[, candidates]])`: what to show to somebody with that history.
//!
//! It runs over millions of histories, so it fills its vectors in place.

use crate::items::{Decoded, Items, ScoredLists, check_kind, count, decode, scored_type};
use crate::models::{ModelRows, rows_of};
use crate::scalar::{Scalar, Signature};
use crate::value::{Output, Type};
use crate::vector::{Chunk, Column};
use footfall::error::Error as Failure;
use footfall::items::{Event, HISTORY_LIMIT, Id, ItemModel, Wanted};
use footfall::limits::MAX_LIST;
use std::collections::{HashMap, HashSet};
use std::error::Error;
use std::ops::Range;

pub struct Recommend;

impl Scalar for Recommend {
    const NAME: &'static str = "recommend";

    fn signatures() -> Vec<Signature> {
        let signature = |item: Type, n_options: usize| {
            let first = vec![Type::Blob, Type::list(item.clone()), Type::Bigint];
            Signature {
                parameters: [first, vec![Type::Any; n_options]].concat(),
                returns: scored_type(item),
            }
        };
        [Type::Bigint, Type::Varchar]
            .into_iter()
            .flat_map(|item| [0, 1, 2].map(|n_options| signature(item.clone(), n_options)))
            .collect()
    }

    fn invoke(input: &Chunk, output: Output) -> Result<(), Box<dyn Error>> {
        let groups = rows_of(input, 0, decode)?;
        let options = Options::new(input);
        let elements = input.column(1).child();
        let as_texts = elements.is_text();
        let history = Items(elements);
        let mut lists = ScoredLists::new(input.len());
        for ModelRows { decoded, rows } in &groups {
            check_kind("items", &history.0, &decoded.model)?;
            let mut asker = Asker::new(decoded, &history, &options);
            for &row in rows {
                let k = count("k", input.column(2).values::<i64>()[row], MAX_LIST)?;
                lists.set(row, asker.ask(input.column(1).list(row), row, k)?);
            }
        }
        lists.write(output, as_texts)
    }
}

/// What may be shown, as it was given.
struct Options<'a> {
    exclude: Option<Column<'a>>,
    candidates: Option<Column<'a>>,
}

impl<'a> Options<'a> {
    /// Of the arguments, each as it is or as the one field of a STRUCT: DuckDB answers NULL to one that is NULL whatever the function is.
    fn new(input: &Chunk<'a>) -> Self {
        let of = |index: usize| {
            let column = (index < input.width()).then(|| input.column(index))?;
            let column = if column.n_fields() == 1 {
                column.field(0)
            } else {
                column.again()
            };
            Some(column).filter(|column| !column.is_nothing())
        };
        Self {
            exclude: of(3),
            candidates: of(4),
        }
    }
}

/// Some items of a list, found once for all rows that have the same one.
#[derive(Default)]
struct Found {
    range: Option<Range<usize>>,
    /// Those that the model knows, ascending and all different.
    known: Vec<u32>,
    /// The names of all others, as texts.
    others: HashSet<Vec<u8>>,
    /// Those of a row: `known`, and such of the others as the history has.
    of_row: Vec<u32>,
}

impl Found {
    fn find(&mut self, items: &Items, range: Range<usize>, model: &ItemModel, history: &History) -> &[u32] {
        if self.range.as_ref() != Some(&range) {
            self.known.clear();
            self.others.clear();
            for id in range.clone().filter_map(|element| items.get(element)) {
                match model.ids.find(id) {
                    Some(item) => self.known.push(item),
                    None => drop(self.others.insert(text(id))),
                }
            }
            self.known.sort_unstable();
            self.known.dedup();
            self.range = Some(range);
        }
        if self.others.is_empty() || history.unknown.is_empty() {
            return &self.known;
        }
        self.of_row.clone_from(&self.known);
        let first = model.ids.len() as u32;
        let own = history.unknown.iter().zip(first..);
        self.of_row.extend(
            own.filter(|(id, _)| self.others.contains(&text(**id)))
                .map(|(_, item)| item),
        );
        &self.of_row
    }
}

fn text(id: Id) -> Vec<u8> {
    match id {
        Id::Text(text) => text.to_vec(),
        Id::Number(number) => number.to_string().into_bytes(),
    }
}

/// The last events of a history.
#[derive(Default)]
pub struct History<'a> {
    pub events: Vec<Event>,
    /// Items that the model does not know, whose numbers follow those of its own.
    unknown: Vec<Id<'a>>,
    numbers: HashMap<Id<'a>, u32>,
}

impl<'a> History<'a> {
    /// Makes it that of some elements.
    pub fn fill(&mut self, items: &Items<'a>, range: Range<usize>, model: &ItemModel) {
        self.events.clear();
        self.unknown.clear();
        self.numbers.clear();
        let ids = range.rev().filter_map(|element| items.get(element));
        for id in ids.take(HISTORY_LIMIT) {
            let item = model.ids.find(id).unwrap_or_else(|| self.number(id, model));
            self.events.push(Event::from_word(item));
        }
        self.events.reverse();
    }

    fn number(&mut self, id: Id<'a>, model: &ItemModel) -> u32 {
        let next = (model.ids.len() + self.unknown.len()) as u32;
        *self.numbers.entry(id).or_insert_with(|| {
            self.unknown.push(id);
            next
        })
    }

    /// The number of an item: its own, or that which the history gave it.
    pub fn find(&self, id: Id, model: &ItemModel) -> Option<u32> {
        model.ids.find(id).or_else(|| self.numbers.get(&id).copied())
    }

    fn name<'b>(&self, item: u32, model: &'b ItemModel) -> Id<'b>
    where
        'a: 'b,
    {
        let item = item as usize;
        match item.checked_sub(model.ids.len()) {
            None => model.ids.get(item),
            Some(place) => self.unknown[place],
        }
    }
}

/// Asks one model.
struct Asker<'a> {
    decoded: &'a Decoded,
    items: &'a Items<'a>,
    options: &'a Options<'a>,
    excluded: Found,
    candidates: Found,
    history: History<'a>,
}

impl<'a> Asker<'a> {
    fn new(decoded: &'a Decoded, items: &'a Items<'a>, options: &'a Options<'a>) -> Self {
        Self {
            decoded,
            items,
            options,
            excluded: Found::default(),
            candidates: Found::default(),
            history: History::default(),
        }
    }

    fn ask(&mut self, range: Range<usize>, row: usize, k: usize) -> Result<Vec<(Id<'a>, Option<f64>)>, Failure> {
        let model = &*self.decoded.model;
        self.history.fill(self.items, range.clone(), model);
        let mut older = Vec::new();
        let mut hides_own = false;
        let mut hidden: &[u32] = &[];
        if let Some(exclude) = self.options.exclude.as_ref().filter(|exclude| !exclude.is_null(row)) {
            if exclude.is_list() {
                let items = Items::of_list("exclude", exclude)?;
                hidden = self.excluded.find(&items, exclude.list(row), model, &self.history);
            } else {
                hides_own = hides_seen(exclude, row)?;
            }
        }
        if hides_own && self.history.events.len() == HISTORY_LIMIT {
            older.extend(self.items.places(model, range));
            older.sort_unstable();
            older.dedup();
            hidden = &older;
        }
        let among = match self.options.candidates.as_ref() {
            Some(list) => {
                let items = Items::of_list("candidates", list)?;
                let found = &mut self.candidates;
                (!list.is_null(row)).then(|| found.find(&items, list.list(row), model, &self.history))
            }
            None => None,
        };
        let wanted = Wanted {
            k,
            hides_own,
            hidden,
            among,
        };
        let history = &self.history;
        let shown = self
            .decoded
            .with_room(|room| model.recommend(&history.events, &wanted, room));
        let named = shown
            .into_iter()
            .map(|(score, item)| (history.name(item, model), Some(score)));
        Ok(named.collect())
    }
}

fn hides_seen(exclude: &Column, row: usize) -> Result<bool, Failure> {
    let allowed = "'seen', 'none', or a list of items";
    if !exclude.is_text() {
        return Err(Failure::argument("exclude", "of another type", allowed));
    }
    match exclude.bytes(row) {
        b"seen" => Ok(true),
        b"none" => Ok(false),
        other => {
            let found = format!("'{}'", String::from_utf8_lossy(other));
            Err(Failure::argument("exclude", found, allowed))
        }
    }
}
