//! Typed, read-only views of DuckDB's vectors.
//!
//! DuckDB flattens every argument before it calls a scalar function, so a
//! vector here is always a plain array with a validity mask. A LIST keeps an
//! (offset, length) pair per row and one child for all rows; flattening a
//! constant LIST repeats the pair and not the elements, and a constant BLOB
//! repeats its pointer: equal pairs or pointers mean equal values, which is how
//! a constant model is recognised without comparing its bytes.

use duckdb::core::{DataChunkHandle, FlatVector};
use duckdb::ffi::{
    DUCKDB_TYPE_DUCKDB_TYPE_BIGINT, DUCKDB_TYPE_DUCKDB_TYPE_BLOB, DUCKDB_TYPE_DUCKDB_TYPE_BOOLEAN,
    DUCKDB_TYPE_DUCKDB_TYPE_DATE, DUCKDB_TYPE_DUCKDB_TYPE_DECIMAL, DUCKDB_TYPE_DUCKDB_TYPE_DOUBLE,
    DUCKDB_TYPE_DUCKDB_TYPE_FLOAT, DUCKDB_TYPE_DUCKDB_TYPE_HUGEINT, DUCKDB_TYPE_DUCKDB_TYPE_INTEGER,
    DUCKDB_TYPE_DUCKDB_TYPE_INTERVAL, DUCKDB_TYPE_DUCKDB_TYPE_LIST, DUCKDB_TYPE_DUCKDB_TYPE_MAP,
    DUCKDB_TYPE_DUCKDB_TYPE_SMALLINT, DUCKDB_TYPE_DUCKDB_TYPE_SQLNULL, DUCKDB_TYPE_DUCKDB_TYPE_STRUCT,
    DUCKDB_TYPE_DUCKDB_TYPE_TIMESTAMP, DUCKDB_TYPE_DUCKDB_TYPE_TIMESTAMP_MS, DUCKDB_TYPE_DUCKDB_TYPE_TIMESTAMP_NS,
    DUCKDB_TYPE_DUCKDB_TYPE_TIMESTAMP_S, DUCKDB_TYPE_DUCKDB_TYPE_TIMESTAMP_TZ, DUCKDB_TYPE_DUCKDB_TYPE_TINYINT,
    DUCKDB_TYPE_DUCKDB_TYPE_UBIGINT, DUCKDB_TYPE_DUCKDB_TYPE_UINTEGER, DUCKDB_TYPE_DUCKDB_TYPE_USMALLINT,
    DUCKDB_TYPE_DUCKDB_TYPE_UTINYINT, DUCKDB_TYPE_DUCKDB_TYPE_VARCHAR, DuckDbString, duckdb_data_chunk_get_vector,
    duckdb_decimal_internal_type, duckdb_decimal_scale, duckdb_destroy_logical_type, duckdb_get_type_id,
    duckdb_hugeint, duckdb_hugeint_to_double, duckdb_interval, duckdb_list_entry, duckdb_list_vector_get_child,
    duckdb_list_vector_get_size, duckdb_logical_type, duckdb_string_t, duckdb_struct_type_child_count,
    duckdb_struct_type_child_name, duckdb_struct_vector_get_child, duckdb_vector, duckdb_vector_get_column_type,
    duckdb_vector_get_data, duckdb_vector_get_validity,
};
use serde_json::{Map, Number, Value as Json};
use std::error::Error;
use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::ops::{Index, Range};

type TypeId = u32;

/// The arguments of one call.
pub struct Chunk<'a> {
    columns: Vec<Column<'a>>,
    len: usize,
}

impl<'a> Chunk<'a> {
    /// # Safety
    /// `chunk` must hold valid vectors that nobody changes during `'a`.
    pub unsafe fn new(chunk: &'a DataChunkHandle) -> Self {
        let len = chunk.len();
        let columns = (0..chunk.num_columns())
            .map(|index| {
                // SAFETY: the index is below the chunk's column count, and the
                // caller keeps the chunk alive for 'a.
                unsafe { Column::new(duckdb_data_chunk_get_vector(chunk.get_ptr(), index as u64), len) }
            })
            .collect();
        Self { columns, len }
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Number of arguments.
    pub fn width(&self) -> usize {
        self.columns.len()
    }

    /// The argument at position `index`.
    pub fn column(&self, index: usize) -> &Column<'a> {
        &self.columns[index]
    }

    /// Whether an argument of this row is NULL.
    pub fn any_null(&self, row: usize) -> bool {
        self.columns.iter().any(|column| column.is_null(row))
    }
}

/// One vector of values, NULLs marked by a validity mask.
pub struct Column<'a> {
    vector: duckdb_vector,
    data: *const u8,
    validity: *const u64,
    len: usize,
    logical: Logical,
    /// Of the logical type; kept, because asking DuckDB for every value takes longer than the value.
    id: TypeId,
    lifetime: PhantomData<&'a ()>,
}

/// A Rust type that DuckDB stores as it is.
///
/// # Safety
/// Every type id in `TYPES` must be stored by DuckDB as an array of `Self`.
pub unsafe trait Native: Copy {
    const TYPES: &'static [TypeId];
}

macro_rules! native {
    ($($rust:ty: $($id:ident)|+),* $(,)?) => {$(
        // SAFETY: DuckDB documents these ids with this storage type
        // (duckdb.h, enum DUCKDB_TYPE).
        unsafe impl Native for $rust {
            const TYPES: &'static [TypeId] = &[$($id),+];
        }
    )*};
}

native! {
    i8: DUCKDB_TYPE_DUCKDB_TYPE_TINYINT,
    i16: DUCKDB_TYPE_DUCKDB_TYPE_SMALLINT,
    i32: DUCKDB_TYPE_DUCKDB_TYPE_INTEGER | DUCKDB_TYPE_DUCKDB_TYPE_DATE,
    i64: DUCKDB_TYPE_DUCKDB_TYPE_BIGINT | DUCKDB_TYPE_DUCKDB_TYPE_TIMESTAMP | DUCKDB_TYPE_DUCKDB_TYPE_TIMESTAMP_TZ
        | DUCKDB_TYPE_DUCKDB_TYPE_TIMESTAMP_S | DUCKDB_TYPE_DUCKDB_TYPE_TIMESTAMP_MS | DUCKDB_TYPE_DUCKDB_TYPE_TIMESTAMP_NS,
    u8: DUCKDB_TYPE_DUCKDB_TYPE_UTINYINT | DUCKDB_TYPE_DUCKDB_TYPE_BOOLEAN,
    u16: DUCKDB_TYPE_DUCKDB_TYPE_USMALLINT,
    u32: DUCKDB_TYPE_DUCKDB_TYPE_UINTEGER,
    u64: DUCKDB_TYPE_DUCKDB_TYPE_UBIGINT,
    f32: DUCKDB_TYPE_DUCKDB_TYPE_FLOAT,
    f64: DUCKDB_TYPE_DUCKDB_TYPE_DOUBLE,
    duckdb_interval: DUCKDB_TYPE_DUCKDB_TYPE_INTERVAL,
}

impl<'a> Column<'a> {
    /// # Safety
    /// `vector` must be a flat vector of at least `len` rows that stays valid
    /// and unchanged during `'a`.
    unsafe fn new(vector: duckdb_vector, len: usize) -> Self {
        // SAFETY: the caller vouches for the vector; the three calls only read
        // its header.
        unsafe {
            let logical = Logical(duckdb_vector_get_column_type(vector));
            Self {
                vector,
                data: duckdb_vector_get_data(vector).cast(),
                validity: duckdb_vector_get_validity(vector),
                len,
                id: logical.id(),
                logical,
                lifetime: PhantomData,
            }
        }
    }

    /// The same column again.
    pub fn again(&self) -> Self {
        // SAFETY: it is this vector, which stays as it is during 'a.
        unsafe { Self::new(self.vector, self.len) }
    }

    /// Whether row `row` is NULL.
    pub fn is_null(&self, row: usize) -> bool {
        self.nulls().contains(row)
    }

    /// Whether the values are TIMESTAMPs without a time zone.
    pub fn is_timestamp(&self) -> bool {
        self.id == DUCKDB_TYPE_DUCKDB_TYPE_TIMESTAMP
    }

    /// Whether the rows are DOUBLEs.
    pub fn is_double(&self) -> bool {
        self.id == DUCKDB_TYPE_DUCKDB_TYPE_DOUBLE
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether the rows are VARCHARs.
    pub fn is_text(&self) -> bool {
        self.id == DUCKDB_TYPE_DUCKDB_TYPE_VARCHAR
    }

    /// Whether the rows are whole numbers, all of which a BIGINT holds.
    pub fn is_whole(&self) -> bool {
        matches!(
            self.id,
            DUCKDB_TYPE_DUCKDB_TYPE_TINYINT
                | DUCKDB_TYPE_DUCKDB_TYPE_SMALLINT
                | DUCKDB_TYPE_DUCKDB_TYPE_INTEGER
                | DUCKDB_TYPE_DUCKDB_TYPE_BIGINT
                | DUCKDB_TYPE_DUCKDB_TYPE_UTINYINT
                | DUCKDB_TYPE_DUCKDB_TYPE_USMALLINT
                | DUCKDB_TYPE_DUCKDB_TYPE_UINTEGER
        )
    }

    /// The value of such a row, and of a NULL one 0.
    ///
    /// # Panics
    /// For other types.
    pub fn whole(&self, row: usize) -> i64 {
        match self.id {
            DUCKDB_TYPE_DUCKDB_TYPE_TINYINT => self.values::<i8>().or(row, 0).into(),
            DUCKDB_TYPE_DUCKDB_TYPE_SMALLINT => self.values::<i16>().or(row, 0).into(),
            DUCKDB_TYPE_DUCKDB_TYPE_INTEGER => self.values::<i32>().or(row, 0).into(),
            DUCKDB_TYPE_DUCKDB_TYPE_UTINYINT => self.values::<u8>().or(row, 0).into(),
            DUCKDB_TYPE_DUCKDB_TYPE_USMALLINT => self.values::<u16>().or(row, 0).into(),
            DUCKDB_TYPE_DUCKDB_TYPE_UINTEGER => self.values::<u32>().or(row, 0).into(),
            _ => self.values::<i64>().or(row, 0),
        }
    }

    /// Whether the rows are of the type of NULL alone.
    pub fn is_nothing(&self) -> bool {
        self.id == DUCKDB_TYPE_DUCKDB_TYPE_SQLNULL
    }

    /// Of floating-point rows the smallest number above which not every whole number can be told
    /// from the next; nothing for other types.
    pub fn exact_limit(&self) -> Option<f64> {
        match self.id {
            DUCKDB_TYPE_DUCKDB_TYPE_FLOAT => Some(2f64.powi(f32::MANTISSA_DIGITS as i32)),
            DUCKDB_TYPE_DUCKDB_TYPE_DOUBLE => Some(2f64.powi(f64::MANTISSA_DIGITS as i32)),
            _ => None,
        }
    }

    /// The value of a FLOAT or DOUBLE row, and of a NULL one 0.
    ///
    /// # Panics
    /// For other types.
    pub fn real(&self, row: usize) -> f64 {
        if self.is_double() {
            self.values::<f64>().or(row, 0.0)
        } else {
            self.values::<f32>().or(row, 0.0).into()
        }
    }

    /// Number of fields of a STRUCT; 0 for other types.
    pub fn n_fields(&self) -> usize {
        self.logical.n_fields()
    }

    /// Whether the rows are LISTs.
    pub fn is_list(&self) -> bool {
        self.id == DUCKDB_TYPE_DUCKDB_TYPE_LIST
    }

    /// The rows in `range` as numbers in the order that DuckDB gives them, for whole numbers up to
    /// 64 bits, FLOATs and DOUBLEs, DATEs, TIMESTAMPs of all kinds and texts, whose numbers are
    /// their ranks within the range; nothing for other types. Those of NULL rows say nothing.
    pub fn ordinals(&self, range: Range<usize>) -> Option<Vec<u64>> {
        fn signed<T: Native + Default + Into<i64>>(column: &Column, range: Range<usize>) -> Vec<u64> {
            let values = column.values::<T>();
            range
                .map(|row| values.or(row, T::default()).into() as u64 ^ 1 << 63)
                .collect()
        }
        fn unsigned<T: Native + Default + Into<u64>>(column: &Column, range: Range<usize>) -> Vec<u64> {
            let values = column.values::<T>();
            range.map(|row| values.or(row, T::default()).into()).collect()
        }
        // NaN is the greatest, and both zeros are one.
        fn real(value: f64) -> u64 {
            let bits = if value.is_nan() { f64::NAN } else { value + 0.0 }.to_bits();
            if value < 0.0 { !bits } else { bits | 1 << 63 }
        }
        fn texts(column: &Column, range: Range<usize>) -> Vec<u64> {
            let text = |row| {
                if column.is_null(row) {
                    &[][..]
                } else {
                    column.bytes(row)
                }
            };
            let mut sorted: Vec<&[u8]> = range.clone().map(text).collect();
            sorted.sort_unstable();
            sorted.dedup();
            range
                .map(|row| sorted.partition_point(|&smaller| smaller < text(row)) as u64)
                .collect()
        }
        Some(match self.id {
            DUCKDB_TYPE_DUCKDB_TYPE_TINYINT => signed::<i8>(self, range),
            DUCKDB_TYPE_DUCKDB_TYPE_SMALLINT => signed::<i16>(self, range),
            DUCKDB_TYPE_DUCKDB_TYPE_INTEGER | DUCKDB_TYPE_DUCKDB_TYPE_DATE => signed::<i32>(self, range),
            DUCKDB_TYPE_DUCKDB_TYPE_BIGINT
            | DUCKDB_TYPE_DUCKDB_TYPE_TIMESTAMP
            | DUCKDB_TYPE_DUCKDB_TYPE_TIMESTAMP_TZ
            | DUCKDB_TYPE_DUCKDB_TYPE_TIMESTAMP_S
            | DUCKDB_TYPE_DUCKDB_TYPE_TIMESTAMP_MS
            | DUCKDB_TYPE_DUCKDB_TYPE_TIMESTAMP_NS => signed::<i64>(self, range),
            DUCKDB_TYPE_DUCKDB_TYPE_UTINYINT => unsigned::<u8>(self, range),
            DUCKDB_TYPE_DUCKDB_TYPE_USMALLINT => unsigned::<u16>(self, range),
            DUCKDB_TYPE_DUCKDB_TYPE_UINTEGER => unsigned::<u32>(self, range),
            DUCKDB_TYPE_DUCKDB_TYPE_UBIGINT => unsigned::<u64>(self, range),
            DUCKDB_TYPE_DUCKDB_TYPE_FLOAT | DUCKDB_TYPE_DUCKDB_TYPE_DOUBLE => {
                range.map(|row| real(self.real(row))).collect()
            }
            DUCKDB_TYPE_DUCKDB_TYPE_VARCHAR => texts(self, range),
            _ => return None,
        })
    }

    /// Whether no row is NULL, so far as the vector's header says.
    pub fn all_valid(&self) -> bool {
        self.validity.is_null()
    }

    /// The values as stored.
    ///
    /// # Panics
    /// When the vector's type is not stored as `T`.
    pub fn values<T: Native>(&self) -> Values<'a, T> {
        assert!(
            T::TYPES.contains(&self.id),
            "vector of type {} read as another",
            self.id
        );
        Values {
            slots: self.slots(),
            nulls: self.nulls(),
        }
    }

    /// A slot for each row; those of NULL rows may never have been written.
    fn slots<T>(&self) -> &'a [MaybeUninit<T>] {
        if self.len == 0 {
            return &[];
        }
        // SAFETY: every use takes the type that the vector is stored as, and the vector holds `len` rows.
        unsafe { std::slice::from_raw_parts(self.data.cast(), self.len) }
    }

    /// Which rows are NULL.
    fn nulls(&self) -> Nulls<'a> {
        Nulls {
            validity: self.validity,
            len: self.len,
            lifetime: PhantomData,
        }
    }

    /// The bytes of a BLOB or VARCHAR row that is not NULL. For a value that is
    /// constant over the chunk the slice is the same for all rows.
    pub fn bytes(&self, row: usize) -> &'a [u8] {
        let slot = self.string(row);
        // SAFETY: 12 bytes or fewer sit in the slot itself, longer ones behind
        // its pointer; both live as long as the vector.
        unsafe {
            let length = (*slot).value.inlined.length as usize;
            let start: *const u8 = if length <= 12 {
                (&raw const (*slot).value.inlined.inlined).cast()
            } else {
                (*slot).value.pointer.ptr.cast()
            };
            std::slice::from_raw_parts(start, length)
        }
    }

    /// What stands for the bytes of a BLOB or VARCHAR row in the vector: equal
    /// slots hold equal bytes (unequal slots may, too), which is quicker to see
    /// than by comparing the bytes.
    pub fn slot(&self, row: usize) -> u128 {
        // SAFETY: the slot is 16 bytes of which DuckDB fills all: it sets what
        // a short text leaves to zero.
        unsafe { self.string(row).cast::<u128>().read_unaligned() }
    }

    fn string(&self, row: usize) -> *const duckdb_string_t {
        assert!(row < self.len, "row {row} of {}", self.len);
        assert!(
            matches!(self.id, DUCKDB_TYPE_DUCKDB_TYPE_BLOB | DUCKDB_TYPE_DUCKDB_TYPE_VARCHAR),
            "vector of type {} read as bytes",
            self.id
        );
        // SAFETY: the row is in range, and a BLOB or VARCHAR vector stores one
        // `duckdb_string_t` per row.
        unsafe { self.data.cast::<duckdb_string_t>().add(row) }
    }

    /// The text of a VARCHAR row that is not NULL.
    ///
    /// # Errors
    /// When the bytes are not UTF-8 (DuckDB checks on the way in, so only a
    /// faulty client can get here).
    pub fn text(&self, row: usize) -> Result<&'a str, Box<dyn Error>> {
        std::str::from_utf8(self.bytes(row)).map_err(|_| "text that is not valid UTF-8".into())
    }

    /// Offset and length of a LIST or MAP row within [`Column::child`].
    pub fn list(&self, row: usize) -> Range<usize> {
        assert!(row < self.len, "row {row} of {}", self.len);
        assert!(
            matches!(self.id, DUCKDB_TYPE_DUCKDB_TYPE_LIST | DUCKDB_TYPE_DUCKDB_TYPE_MAP),
            "vector of type {} read as a list",
            self.id
        );
        if self.is_null(row) {
            return 0..0;
        }
        // SAFETY: a LIST vector stores one `duckdb_list_entry` per row.
        let entry = unsafe { *self.data.cast::<duckdb_list_entry>().add(row) };
        entry.offset as usize..(entry.offset + entry.length) as usize
    }

    /// The (offset, length) pairs of the rows of a LIST, for functions that run
    /// over millions of them.
    pub fn entries(&self) -> Values<'a, duckdb_list_entry> {
        assert_eq!(self.id, DUCKDB_TYPE_DUCKDB_TYPE_LIST, "vector read as a list");
        Values {
            slots: self.slots(),
            nulls: self.nulls(),
        }
    }

    /// The elements of all rows of a LIST or MAP.
    pub fn child(&self) -> Column<'a> {
        // SAFETY: `list` checks the type on every use; the child lives as long
        // as its parent and holds `get_size` rows.
        unsafe {
            assert!(matches!(
                self.id,
                DUCKDB_TYPE_DUCKDB_TYPE_LIST | DUCKDB_TYPE_DUCKDB_TYPE_MAP
            ));
            Column::new(
                duckdb_list_vector_get_child(self.vector),
                duckdb_list_vector_get_size(self.vector) as usize,
            )
        }
    }

    /// The field of a STRUCT at position `index`.
    pub fn field(&self, index: usize) -> Column<'a> {
        assert!(
            index < self.logical.n_fields(),
            "field {index} of {}",
            self.logical.n_fields()
        );
        // SAFETY: the field exists, lives as long as its parent and has as
        // many rows.
        unsafe { Column::new(duckdb_struct_vector_get_child(self.vector, index as u64), self.len) }
    }

    /// The names of a STRUCT's fields; empty for other types.
    pub fn field_names(&self) -> Vec<String> {
        (0..self.logical.n_fields())
            .map(|index| self.logical.field_name(index))
            .collect()
    }

    /// The value of a row as JSON: how options arrive. Numbers that JSON lacks
    /// (NaN, infinity) become text, so that they are refused where a number is
    /// expected.
    ///
    /// # Errors
    /// For types that have no place in options (BLOB, UUID, …).
    pub fn json(&self, row: usize) -> Result<Json, Box<dyn Error>> {
        if self.is_null(row) {
            return Ok(Json::Null);
        }
        let real = |value: f64| Number::from_f64(value).map_or_else(|| Json::String(value.to_string()), Json::Number);
        Ok(match self.id {
            DUCKDB_TYPE_DUCKDB_TYPE_SQLNULL => Json::Null,
            DUCKDB_TYPE_DUCKDB_TYPE_BOOLEAN => Json::Bool(self.values::<u8>()[row] != 0),
            DUCKDB_TYPE_DUCKDB_TYPE_TINYINT => self.values::<i8>()[row].into(),
            DUCKDB_TYPE_DUCKDB_TYPE_SMALLINT => self.values::<i16>()[row].into(),
            DUCKDB_TYPE_DUCKDB_TYPE_INTEGER => self.values::<i32>()[row].into(),
            DUCKDB_TYPE_DUCKDB_TYPE_BIGINT => self.values::<i64>()[row].into(),
            DUCKDB_TYPE_DUCKDB_TYPE_UTINYINT => self.values::<u8>()[row].into(),
            DUCKDB_TYPE_DUCKDB_TYPE_USMALLINT => self.values::<u16>()[row].into(),
            DUCKDB_TYPE_DUCKDB_TYPE_UINTEGER => self.values::<u32>()[row].into(),
            DUCKDB_TYPE_DUCKDB_TYPE_UBIGINT => self.values::<u64>()[row].into(),
            DUCKDB_TYPE_DUCKDB_TYPE_FLOAT => real(f64::from(self.values::<f32>()[row])),
            DUCKDB_TYPE_DUCKDB_TYPE_DOUBLE => real(self.values::<f64>()[row]),
            DUCKDB_TYPE_DUCKDB_TYPE_DECIMAL | DUCKDB_TYPE_DUCKDB_TYPE_HUGEINT => match self.wide(row) {
                // Such as a sum() of BIGINTs; up to 2^53 a DOUBLE is exact.
                whole if whole.fract() == 0.0 && whole.abs() <= (1i64 << 53) as f64 => (whole as i64).into(),
                other => real(other),
            },
            DUCKDB_TYPE_DUCKDB_TYPE_VARCHAR => self.text(row)?.into(),
            DUCKDB_TYPE_DUCKDB_TYPE_LIST => {
                let child = self.child();
                self.list(row)
                    .map(|element| child.json(element))
                    .collect::<Result<_, _>>()?
            }
            DUCKDB_TYPE_DUCKDB_TYPE_MAP => {
                let pairs = self.child();
                let (keys, values) = (pairs.field(0), pairs.field(1));
                let mut object = Map::new();
                for element in self.list(row) {
                    let key = match keys.json(element)? {
                        Json::String(text) => text,
                        other => other.to_string(),
                    };
                    object.insert(key, values.json(element)?);
                }
                Json::Object(object)
            }
            DUCKDB_TYPE_DUCKDB_TYPE_STRUCT => {
                let mut object = Map::new();
                for (index, name) in self.field_names().into_iter().enumerate() {
                    let value = self.field(index).json(row);
                    let value = value.map_err(|error| format!("option '{name}': {error}"))?;
                    object.insert(name, value);
                }
                Json::Object(object)
            }
            _ => {
                return Err(
                    "a value of this type is not allowed; allowed: a number, text, BOOLEAN, LIST, MAP or STRUCT".into(),
                );
            }
        })
    }

    /// A DECIMAL or HUGEINT as the nearest DOUBLE.
    fn wide(&self, row: usize) -> f64 {
        assert!(row < self.len);
        // SAFETY: the row is in range, and the storage type of a DECIMAL is
        // what its logical type says; a HUGEINT is stored as such.
        unsafe {
            let hugeint = || duckdb_hugeint_to_double(*self.data.cast::<duckdb_hugeint>().add(row));
            if self.id == DUCKDB_TYPE_DUCKDB_TYPE_HUGEINT {
                return hugeint();
            }
            let unscaled = match duckdb_decimal_internal_type(self.logical.0) {
                DUCKDB_TYPE_DUCKDB_TYPE_SMALLINT => f64::from(*self.data.cast::<i16>().add(row)),
                DUCKDB_TYPE_DUCKDB_TYPE_INTEGER => f64::from(*self.data.cast::<i32>().add(row)),
                DUCKDB_TYPE_DUCKDB_TYPE_BIGINT => *self.data.cast::<i64>().add(row) as f64,
                _ => hugeint(),
            };
            unscaled / 10f64.powi(i32::from(duckdb_decimal_scale(self.logical.0)))
        }
    }
}

/// Which rows of a vector are NULL.
#[derive(Clone, Copy)]
struct Nulls<'a> {
    validity: *const u64,
    len: usize,
    lifetime: PhantomData<&'a u64>,
}

impl Nulls<'_> {
    #[inline(always)]
    fn contains(&self, row: usize) -> bool {
        assert!(row < self.len, "row {row} of {}", self.len);
        // SAFETY: the mask has one bit per row in words of 64, and the row is
        // in range.
        !self.validity.is_null() && unsafe { *self.validity.add(row / 64) } >> (row % 64) & 1 == 0
    }
}

/// The values of a vector. DuckDB need not have written what stands in a NULL row, so only the others can be read:
/// `values[row]` and `values[rows]` panic for a NULL.
#[derive(Clone, Copy)]
pub struct Values<'a, T> {
    slots: &'a [MaybeUninit<T>],
    nulls: Nulls<'a>,
}

impl<'a, T> Values<'a, T> {
    /// The values of some rows, none of them NULL.
    ///
    /// # Panics
    /// For a NULL, or rows that are not there.
    #[inline]
    pub fn rows(&self, rows: Range<usize>) -> &'a [T] {
        let has_null = !self.nulls.validity.is_null() && rows.clone().any(|row| self.nulls.contains(row));
        assert!(!has_null, "a value is read that is NULL");
        // SAFETY: DuckDB has written every row that is not NULL.
        unsafe { &*(&raw const self.slots[rows] as *const [T]) }
    }

    /// The value of a row, and of a NULL `other`.
    #[inline(always)]
    pub fn or(&self, row: usize, other: T) -> T
    where
        T: Copy,
    {
        if self.nulls.contains(row) { other } else { self[row] }
    }
}

impl<T> Index<usize> for Values<'_, T> {
    type Output = T;

    #[inline(always)]
    fn index(&self, row: usize) -> &T {
        assert!(!self.nulls.contains(row), "the value of row {row} is NULL");
        // SAFETY: DuckDB has written every row that is not NULL.
        unsafe { self.slots[row].assume_init_ref() }
    }
}

/// The slots of a result, which nobody has written yet.
///
/// # Safety
/// The vector must be stored as `T` and have room for `n` rows, and no other slots of it may be held.
pub unsafe fn slots<'a, T>(vector: &mut FlatVector<'a>, n: usize) -> &'a mut [MaybeUninit<T>] {
    // SAFETY: as the caller vouches; the memory is DuckDB's and lives as long as the vector.
    unsafe { std::slice::from_raw_parts_mut(vector.as_mut_ptr(), n) }
}

/// An owned logical type.
struct Logical(duckdb_logical_type);

impl Logical {
    fn id(&self) -> TypeId {
        // SAFETY: the handle is valid until drop.
        unsafe { duckdb_get_type_id(self.0) }
    }

    fn n_fields(&self) -> usize {
        if self.id() != DUCKDB_TYPE_DUCKDB_TYPE_STRUCT {
            // The child of a MAP is a STRUCT; other types have no fields.
            return 0;
        }
        // SAFETY: the handle is a STRUCT type.
        unsafe { duckdb_struct_type_child_count(self.0) as usize }
    }

    fn field_name(&self, index: usize) -> String {
        // SAFETY: the handle is a STRUCT type with more than `index` fields;
        // the returned text is freed by `DuckDbString`.
        unsafe {
            DuckDbString::from_ptr(duckdb_struct_type_child_name(self.0, index as u64))
                .to_string_lossy()
                .into_owned()
        }
    }
}

impl Drop for Logical {
    fn drop(&mut self) {
        // SAFETY: the handle was created for this value and is freed once.
        unsafe { duckdb_destroy_logical_type(&mut self.0) }
    }
}
