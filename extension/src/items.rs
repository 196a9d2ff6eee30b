//! Functions of items: those of packed histories that are called again until they have an answer, and those that ask a model.

use crate::fields::Fields;
use crate::functions;
use crate::jobs::{self, Answer};
use crate::memory;
use crate::models::Cache;
use crate::scalar::Signature;
use crate::value::{Output, Type, Value};
use crate::vector::{Chunk, Column, slots};
use duckdb::core::Inserter;
use footfall::error::Error as Failure;
use footfall::items::{Histories, Id, Ids, ItemModel, Room, Texts};
use serde::de::DeserializeOwned;
use std::error::Error;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

/// How far such a function is: the job to go on with, and whether it has ended.
const PIECE: Fields<(i64, bool)> = Fields(&[
    ("job", || Type::Bigint, |(job, _)| (*job).into()),
    ("finished", || Type::Boolean, |(_, finished)| (*finished).into()),
]);

/// The type of such a function, which gives `result` in the end.
pub fn piece_type(result: Type) -> Type {
    Type::Struct(PIECE.types().into_iter().chain([("result", result)]).collect())
}

/// The signature of such a function of a job, packed histories, options, what else it is `given`, and the macro that an error names.
pub fn piece_signature(given: &[Type], result: Type) -> Signature {
    let first = [Type::Bigint, Type::Blob, Type::Any];
    Signature {
        parameters: [&first, given, &[Type::Varchar]].concat(),
        returns: piece_type(result),
    }
}

/// How such a function works: its options as they are written, and what it makes of them, of the histories, and of what is read
/// of its other arguments.
pub struct Work<O, S, G> {
    pub example: &'static str,
    pub settings: fn(O) -> Result<S, Failure>,
    pub given: fn(&Chunk, usize) -> Result<G, Failure>,
    pub answer: fn(&Histories, &S, G) -> Answer,
}

impl<O: DeserializeOwned, S: Send + 'static, G: Send + 'static> Work<O, S, G> {
    /// Answers each row, with the result or with the job to go on with.
    ///
    /// # Errors
    /// Of the arguments, or those of the work.
    pub fn write(&self, input: &Chunk, output: Output, returns: &Type) -> Result<(), Box<dyn Error>> {
        output.write_rows(input, returns, |row| {
            let answer = self.advance(input, row);
            answer.map_err(|error| functions::as_called(input, input.width() - 1, row, error))
        })
    }

    fn advance(&self, input: &Chunk, row: usize) -> Result<Value, Box<dyn Error>> {
        let json = input.column(2).json(row)?;
        let settings = (self.settings)(footfall::options::read("options", json, self.example)?)?;
        let number = input.column(0).values::<i64>()[row];
        let answer = self.answer;
        let (number, answer) = jobs::advance(number, &mut |_, _| (), || {
            // The arguments are DuckDB's, and only for this call.
            let (packed, given) = (input.column(1).bytes(row).to_vec(), (self.given)(input, row));
            move || {
                let (given, histories) = (given?, Histories::from_bytes(&packed)?);
                drop(packed);
                answer(&histories, &settings, given)
            }
        })?;
        let mut fields = PIECE.values(&(number, answer.is_some()));
        fields.push(answer.transpose()?.unwrap_or(Value::Null));
        Ok(Value::Struct(fields))
    }
}

/// Names of items as an argument: two lists, of which one is empty.
pub fn names_type() -> Type {
    Type::Struct(vec![
        ("numbers", Type::list(Type::Bigint)),
        ("texts", Type::list(Type::Varchar)),
    ])
}

/// The names in a row of that type.
///
/// # Errors
/// A list with a NULL.
pub fn names(column: &Column, row: usize) -> Result<Ids, Failure> {
    let (numbers, texts) = (column.field(0), column.field(1));
    let null = || Failure::argument("items", "a list with a NULL", "items that are not NULL");
    if !numbers.list(row).is_empty() {
        let range = numbers.list(row);
        let elements = numbers.child();
        if range.clone().any(|element| elements.is_null(element)) {
            return Err(null());
        }
        return Ok(Ids::Numbers(elements.values::<i64>().rows(range).to_vec()));
    }
    let (mut all, elements) = (Texts::default(), texts.child());
    for element in texts.list(row) {
        let text = (!elements.is_null(element))
            .then(|| elements.text(element).ok())
            .flatten();
        all.push(text.ok_or_else(null)?);
    }
    Ok(Ids::Texts(all))
}

/// Refuses work that needs more memory than there is; `memory_limit` is DuckDB's setting.
///
/// # Errors
/// The figure, and what is allowed.
pub fn check_memory(needed: usize, memory_limit: &str) -> Result<(), Failure> {
    match memory::limit(Some(memory_limit))? {
        Some(limit) if needed as u64 > limit.bytes => Err(Failure::Memory(format!(
            "this many events and items need about {} of memory; allowed: {}, {} (fewer items, such as those with five events or \
             more, fewer threads, and a smaller 'top' need less)",
            memory::shown(needed as u64),
            memory::shown(limit.bytes),
            limit.source
        ))),
        _ => Ok(()),
    }
}

/// A whole number of an option.
///
/// # Errors
/// One outside of 1 to `most`.
pub fn count(option: &'static str, given: i64, most: usize) -> Result<usize, Failure> {
    let count = usize::try_from(given).ok().filter(|count| (1..=most).contains(count));
    count.ok_or_else(|| Failure::argument(option, given, format!("1 to {most}")))
}

/// A model of items, and room for the threads that ask it.
pub struct Decoded {
    pub model: Arc<ItemModel>,
    rooms: Mutex<Vec<Room>>,
}

impl Decoded {
    fn new(bytes: &[u8]) -> Result<Self, Failure> {
        Ok(Self {
            model: Arc::new(ItemModel::from_bytes(bytes)?),
            rooms: Mutex::default(),
        })
    }

    /// Lends room to `work`.
    pub fn with_room<T>(&self, work: impl FnOnce(&mut Room) -> T) -> T {
        let rooms = || self.rooms.lock().unwrap_or_else(PoisonError::into_inner);
        let room = rooms().pop();
        let mut room = room.unwrap_or_else(|| Room::new(self.model.ids.len()));
        let result = work(&mut room);
        rooms().push(room);
        result
    }
}

static CACHE: Cache<Decoded> = Cache::new();

/// The decoded model behind the bytes.
///
/// # Errors
/// As [`ItemModel::from_bytes`].
pub fn decode(bytes: &[u8]) -> Result<Arc<Decoded>, Failure> {
    CACHE.decode(bytes, Decoded::new)
}

/// Items as an argument: whole numbers or texts.
pub struct Items<'a>(pub Column<'a>);

impl<'a> Items<'a> {
    /// Those in the elements of a list.
    ///
    /// # Errors
    /// Of what is no list, or of other types.
    pub fn of_list(argument: &'static str, list: &Column<'a>) -> Result<Self, Failure> {
        let elements = list.is_list().then(|| list.child());
        let elements = elements.filter(|one| one.is_whole() || one.is_text() || one.is_nothing());
        let allowed = "a list of items, as BIGINT[] or VARCHAR[]";
        elements
            .map(Self)
            .ok_or_else(|| Failure::argument(argument, "of another type", allowed))
    }

    /// One of them; nothing for a NULL.
    pub fn get(&self, element: usize) -> Option<Id<'a>> {
        Self::of(&self.0, element)
    }

    /// That in a row of a column.
    pub fn of(column: &Column<'a>, row: usize) -> Option<Id<'a>> {
        if column.is_nothing() || column.is_null(row) {
            None
        } else if column.is_text() {
            Some(Id::Text(column.bytes(row)))
        } else {
            Some(Id::Number(column.whole(row)))
        }
    }

    /// The places in a model of some of them, so far as it knows them.
    pub fn places(&self, model: &ItemModel, range: Range<usize>) -> impl DoubleEndedIterator<Item = u32> {
        range.filter_map(|element| model.ids.find(self.get(element)?))
    }
}

/// Refuses items that can only be texts where whole numbers were given: they come back as they were given.
///
/// # Errors
/// Where that is so.
pub fn check_kind(argument: &'static str, column: &Column, model: &ItemModel) -> Result<(), Failure> {
    if column.is_text() || matches!(model.ids, Ids::Numbers(_)) {
        return Ok(());
    }
    let found = "of whole numbers, and the items of the model are texts";
    Err(Failure::argument(
        argument,
        found,
        "VARCHAR, or CAST([] AS VARCHAR[]) for none",
    ))
}

/// Items and their scores on their way out: LIST(STRUCT(item, score)), of which `item` is a BIGINT or a VARCHAR.
pub fn scored_type(item: Type) -> Type {
    Type::list(Type::Struct(vec![("item", item), ("score", Type::Double)]))
}

/// The lists of the rows of a chunk, one behind the other.
#[derive(Default)]
pub struct ScoredLists<'a> {
    items: Vec<Id<'a>>,
    scores: Vec<Option<f64>>,
    /// Where the list of each row begins and ends; nothing for NULL.
    rows: Vec<Option<Range<usize>>>,
}

impl<'a> ScoredLists<'a> {
    /// NULL in each of so many rows.
    pub fn new(n_rows: usize) -> Self {
        Self {
            rows: vec![None; n_rows],
            ..Self::default()
        }
    }

    /// Sets the list of a row.
    pub fn set(&mut self, row: usize, scored: impl IntoIterator<Item = (Id<'a>, Option<f64>)>) {
        let begin = self.items.len();
        for (item, score) in scored {
            self.items.push(item);
            self.scores.push(score);
        }
        self.rows[row] = Some(begin..self.items.len());
    }

    /// Writes them, items as texts where `as_texts`.
    ///
    /// # Errors
    /// Where DuckDB cannot reserve the space.
    pub fn write(self, output: Output, as_texts: bool) -> Result<(), Box<dyn Error>> {
        let n = self.items.len();
        let mut lists = output.vector.list_vector();
        for (row, range) in self.rows.iter().enumerate() {
            match range {
                Some(range) => lists.set_entry(row, range.start, range.len()),
                None => {
                    lists.set_null(row);
                    lists.set_entry(row, 0, 0);
                }
            }
        }
        lists.try_set_len(n)?;
        let fields = lists.struct_child(n);
        let mut items = fields.child(0, n);
        if as_texts {
            for (place, item) in self.items.iter().enumerate() {
                match item {
                    Id::Text(text) => items.insert(place, *text),
                    Id::Number(number) => items.insert(place, number.to_string().as_str()),
                }
            }
        } else {
            // SAFETY: a BIGINT vector holds 64-bit numbers, and the field has room for as many as its list has elements.
            let slots = unsafe { slots::<i64>(&mut items, n) };
            for (slot, item) in slots.iter_mut().zip(&self.items) {
                let Id::Number(number) = item else {
                    return Err("internal error: a text among whole numbers".into());
                };
                slot.write(*number);
            }
        }
        let mut scores = fields.child(1, n);
        // SAFETY: as above, of DOUBLEs.
        let slots = unsafe { slots::<f64>(&mut scores, n) };
        for (slot, score) in slots.iter_mut().zip(&self.scores) {
            slot.write(score.unwrap_or(f64::NAN));
        }
        for (place, _) in self.scores.iter().enumerate().filter(|(_, score)| score.is_none()) {
            scores.set_null(place);
        }
        Ok(())
    }
}
