//! Where the elements of a matrix stand that is packed in panels.

/// Where column `column` of a (k, n) matrix begins in panels of at most `panel` columns,
/// and how far its elements lie apart.
pub(super) fn column_place(panel: usize, (k, n): (usize, usize), column: usize) -> (usize, usize) {
    let start = column / panel * panel;
    (start * k + column - start, panel.min(n - start))
}

/// Packs `row` as row `index` of a (k, n) matrix in panels of at most `panel` columns.
pub(super) fn put_row(packed: &mut [f32], panel: usize, (k, n): (usize, usize), index: usize, row: &[f32]) {
    for (number, part) in row.chunks(panel).enumerate() {
        let start = number * panel;
        let to = start * k + index * panel.min(n - start);
        packed[to..to + part.len()].copy_from_slice(part);
    }
}
