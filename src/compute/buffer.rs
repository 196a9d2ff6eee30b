//! Floats that begin on a cache line, so that no vector of a padded row straddles two.

use std::ops::{Deref, DerefMut};

#[repr(C, align(64))]
#[derive(Clone, Copy)]
struct Line([f32; 16]);

/// A growable list of floats, a multiple of 16 long.
#[derive(Clone, Default)]
pub(crate) struct Buffer(Vec<Line>);

impl Buffer {
    pub(crate) fn zeros(len: usize) -> Self {
        let mut buffer = Buffer::default();
        buffer.grow(len);
        buffer
    }

    /// Makes room for `len` floats; new ones are zero, held ones stay.
    pub(crate) fn grow(&mut self, len: usize) {
        let lines = len.div_ceil(16);
        if lines > self.0.len() {
            self.0.resize(lines, Line([0.0; 16]));
        }
    }
}

impl Deref for Buffer {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        // SAFETY: a line is 16 floats without padding, and the lines are contiguous.
        unsafe { std::slice::from_raw_parts(self.0.as_ptr().cast(), 16 * self.0.len()) }
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [f32] {
        // SAFETY: as in `deref`; the exclusive borrow of the lines is the floats' too.
        unsafe { std::slice::from_raw_parts_mut(self.0.as_mut_ptr().cast(), 16 * self.0.len()) }
    }
}
