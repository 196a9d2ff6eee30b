//! SQL types and values on their way out.
//!
//! [`Output::write`] takes one [`Value`] per row and is made for results of
//! which there are few (a model, a row per epoch). Functions that run over
//! millions of rows fill the vector themselves through [`Output::vector`].

use crate::vector::Chunk;
use duckdb::core::{FlatVector, Inserter, ListVector, LogicalTypeHandle, LogicalTypeId, StructVector};
use duckdb::vtab::arrow::WritableVector;
use std::error::Error;

/// A SQL type.
#[derive(Clone, Debug, PartialEq)]
pub enum Type {
    /// Any type at all; for parameters only.
    Any,
    Boolean,
    Integer,
    Bigint,
    Ubigint,
    Utinyint,
    Float,
    Double,
    Varchar,
    Blob,
    Date,
    Timestamp,
    TimestampTz,
    Interval,
    List(Box<Type>),
    Struct(Vec<(&'static str, Type)>),
    Map(Box<Type>, Box<Type>),
}

impl Type {
    pub fn list(element: Type) -> Self {
        Self::List(Box::new(element))
    }

    pub fn map(key: Type, value: Type) -> Self {
        Self::Map(Box::new(key), Box::new(value))
    }

    /// DuckDB's handle for the type.
    pub fn logical(&self) -> LogicalTypeHandle {
        match self {
            Self::Any => LogicalTypeId::Any.into(),
            Self::Boolean => LogicalTypeId::Boolean.into(),
            Self::Integer => LogicalTypeId::Integer.into(),
            Self::Bigint => LogicalTypeId::Bigint.into(),
            Self::Ubigint => LogicalTypeId::UBigint.into(),
            Self::Utinyint => LogicalTypeId::UTinyint.into(),
            Self::Float => LogicalTypeId::Float.into(),
            Self::Double => LogicalTypeId::Double.into(),
            Self::Varchar => LogicalTypeId::Varchar.into(),
            Self::Blob => LogicalTypeId::Blob.into(),
            Self::Date => LogicalTypeId::Date.into(),
            Self::Timestamp => LogicalTypeId::Timestamp.into(),
            Self::TimestampTz => LogicalTypeId::TimestampTZ.into(),
            Self::Interval => LogicalTypeId::Interval.into(),
            Self::List(element) => LogicalTypeHandle::list(&element.logical()),
            Self::Struct(fields) => {
                let fields: Vec<_> = fields.iter().map(|(name, ty)| (*name, ty.logical())).collect();
                LogicalTypeHandle::struct_type(&fields)
            }
            Self::Map(key, value) => LogicalTypeHandle::map(&key.logical(), &value.logical()),
        }
    }
}

/// A value of a [`Type`]; a MAP is a list of (key, value) structs.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Null,
    Boolean(bool),
    Integer(i32),
    Bigint(i64),
    Float(f32),
    Double(f64),
    Text(String),
    Blob(Vec<u8>),
    List(Vec<Value>),
    Struct(Vec<Value>),
}

impl Value {
    /// A list of values made from anything that converts.
    pub fn list<T: Into<Value>>(items: impl IntoIterator<Item = T>) -> Self {
        Self::List(items.into_iter().map(Into::into).collect())
    }
}

macro_rules! into_value {
    ($($rust:ty => $variant:ident),* $(,)?) => {$(
        impl From<$rust> for Value {
            fn from(value: $rust) -> Self {
                Self::$variant(value.into())
            }
        }
    )*};
}

into_value! {
    bool => Boolean,
    i32 => Integer,
    i64 => Bigint,
    f32 => Float,
    f64 => Double,
    &str => Text,
    String => Text,
    Vec<u8> => Blob,
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// Where a function writes its result.
pub struct Output<'a> {
    /// The result vector, for functions that fill it themselves.
    pub vector: &'a mut dyn WritableVector,
    rows: usize,
}

impl<'a> Output<'a> {
    pub fn new(vector: &'a mut dyn WritableVector, rows: usize) -> Self {
        Self { vector, rows }
    }

    /// Writes `value(row)` for every row of `input`, NULL where an argument is NULL.
    ///
    /// # Errors
    /// The first of `value`, or as [`Output::write`].
    pub fn write_rows(
        self,
        input: &Chunk,
        ty: &Type,
        mut value: impl FnMut(usize) -> Result<Value, Box<dyn Error>>,
    ) -> Result<(), Box<dyn Error>> {
        let rows = (0..input.len()).map(|row| {
            if input.any_null(row) {
                Ok(Value::Null)
            } else {
                value(row)
            }
        });
        let rows = rows.collect::<Result<Vec<_>, _>>()?;
        self.write(ty, &rows)
    }

    /// Writes one value per row.
    ///
    /// # Errors
    /// When a value does not fit `ty`, or DuckDB cannot reserve the space.
    pub fn write(self, ty: &Type, values: &[Value]) -> Result<(), Box<dyn Error>> {
        assert_eq!(values.len(), self.rows, "one value per row");
        write_column(Place::Root(self.vector), ty, &values.iter().collect::<Vec<_>>())
    }
}

/// A vector that can still be taken as flat, list or struct.
enum Place<'a, 'b> {
    Root(&'a mut dyn WritableVector),
    Field(&'a StructVector<'b>, usize, usize),
    Element(&'a ListVector<'b>, usize),
}

impl<'a> Place<'a, '_> {
    fn flat(self) -> FlatVector<'a> {
        match self {
            Place::Root(vector) => vector.flat_vector(),
            Place::Field(parent, index, rows) => parent.child(index, rows),
            Place::Element(parent, rows) => parent.child(rows),
        }
    }

    fn list(self) -> ListVector<'a> {
        match self {
            Place::Root(vector) => vector.list_vector(),
            Place::Field(parent, index, _) => parent.list_vector_child(index),
            Place::Element(parent, _) => parent.list_child(),
        }
    }

    fn structure(self) -> StructVector<'a> {
        match self {
            Place::Root(vector) => vector.struct_vector(),
            Place::Field(parent, index, _) => parent.struct_vector_child(index),
            Place::Element(parent, rows) => parent.struct_child(rows),
        }
    }
}

fn write_column(place: Place, ty: &Type, values: &[&Value]) -> Result<(), Box<dyn Error>> {
    match ty {
        Type::List(element) => write_list(place, element, values),
        Type::Map(key, value) => {
            let pair = Type::Struct(vec![("key", (**key).clone()), ("value", (**value).clone())]);
            write_list(place, &pair, values)
        }
        Type::Struct(fields) => {
            let mut vector = place.structure();
            for (row, value) in values.iter().enumerate() {
                if matches!(value, Value::Null) {
                    vector.set_null(row);
                }
            }
            for (index, (name, field)) in fields.iter().enumerate() {
                let children = values
                    .iter()
                    .map(|value| match value {
                        Value::Struct(children) if children.len() == fields.len() => Ok(&children[index]),
                        Value::Null => Ok(&Value::Null),
                        other => Err(format!("internal error: {other:?} for the STRUCT field {name}")),
                    })
                    .collect::<Result<Vec<_>, _>>()?;
                write_column(Place::Field(&vector, index, values.len()), field, &children)?;
            }
            Ok(())
        }
        _ => write_flat(place.flat(), ty, values),
    }
}

fn write_list(place: Place, element: &Type, values: &[&Value]) -> Result<(), Box<dyn Error>> {
    let mut vector = place.list();
    let mut children: Vec<&Value> = Vec::new();
    for (row, value) in values.iter().enumerate() {
        let offset = children.len();
        match value {
            Value::List(items) => children.extend(items),
            Value::Null => vector.set_null(row),
            other => return Err(format!("internal error: {other:?} for a LIST").into()),
        }
        vector.set_entry(row, offset, children.len() - offset);
    }
    vector.try_set_len(children.len())?;
    write_column(Place::Element(&vector, children.len()), element, &children)
}

fn write_flat(mut vector: FlatVector, ty: &Type, values: &[&Value]) -> Result<(), Box<dyn Error>> {
    for (row, value) in values.iter().enumerate() {
        // SAFETY: `ty` is the type the vector was registered with, the pattern
        // pairs it with the Rust type DuckDB stores it as, and the vector has
        // room for `values.len()` rows.
        unsafe {
            match (ty, value) {
                (_, Value::Null) => vector.set_null(row),
                (Type::Boolean, Value::Boolean(value)) => vector.as_mut_ptr::<bool>().add(row).write(*value),
                (Type::Integer, Value::Integer(value)) => vector.as_mut_ptr::<i32>().add(row).write(*value),
                (Type::Bigint | Type::Timestamp, Value::Bigint(value)) => {
                    vector.as_mut_ptr::<i64>().add(row).write(*value);
                }
                (Type::Float, Value::Float(value)) => vector.as_mut_ptr::<f32>().add(row).write(*value),
                (Type::Double, Value::Double(value)) => vector.as_mut_ptr::<f64>().add(row).write(*value),
                (Type::Varchar, Value::Text(value)) => vector.insert(row, value.as_str()),
                (Type::Blob, Value::Blob(value)) => vector.insert(row, value.as_slice()),
                (ty, value) => return Err(format!("internal error: {value:?} for {ty:?}").into()),
            }
        }
    }
    Ok(())
}
