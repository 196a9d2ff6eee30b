//! What a STRUCT holds: the name, the type and the value of each field stand side by side, in one table.
//!
//! ```text
//! pub const LOSS: Fields<Loss> = Fields(&[
//!     ("loss", || Type::Double, |loss| loss.sum.into()),
//!     ("n", || Type::Bigint, |loss| (loss.n as i64).into()),
//! ]);
//! ```
//! The type of the STRUCT and its values are made of the table, and so is the place of a field for those that read one:
//! `const N: usize = LOSS.position("n")` does not compile where no field has that name.

use crate::value::{Type, Value};
use crate::vector::Column;

/// Name, type and value of a field of a STRUCT that is made of a `T`.
pub type Field<T> = (&'static str, fn() -> Type, fn(&T) -> Value);

/// The fields of a STRUCT that is made of a `T`, in their order.
pub struct Fields<T: 'static>(pub &'static [Field<T>]);

impl<T> Fields<T> {
    /// The type of the STRUCT.
    pub fn struct_type(&self) -> Type {
        Type::Struct(self.types())
    }

    /// The STRUCT of `of`.
    pub fn value(&self, of: &T) -> Value {
        Value::Struct(self.values(of))
    }

    /// Names and types, for a STRUCT that has more fields.
    pub fn types(&self) -> Vec<(&'static str, Type)> {
        self.0.iter().map(|(name, ty, _)| (*name, ty())).collect()
    }

    /// The values of the same.
    pub fn values(&self, of: &T) -> Vec<Value> {
        self.0.iter().map(|(.., value)| value(of)).collect()
    }

    /// Where a field stands, known when this is compiled.
    pub const fn position(&self, name: &str) -> usize {
        let mut index = 0;
        while index < self.0.len() {
            if equal(self.0[index].0.as_bytes(), name.as_bytes()) {
                return index;
            }
            index += 1;
        }
        panic!("no field has this name")
    }
}

const fn equal(a: &[u8], b: &[u8]) -> bool {
    let mut index = 0;
    while index < a.len() && index < b.len() && a[index] == b[index] {
        index += 1;
    }
    index == a.len() && index == b.len()
}

/// The columns of some fields of a STRUCT.
pub fn columns<'a, const N: usize>(of: &Column<'a>, positions: [usize; N]) -> [Column<'a>; N] {
    positions.map(|position| of.field(position))
}
