//! The prefixes of a block of sequences as a tree, packed step by step.
//!
//! Two sequences that begin with the same tokens have the same states there, and the
//! gradient of such a state is the sum of theirs. So a row of the packed layout is not a
//! step of a sequence but a different prefix: with a vocabulary of four actions of which
//! nine in ten are views, four rows in ten fall away, exactly.
//!
//! Sequences are sorted by their tokens. Then the rows of a step are in the order of the
//! sequences, and the rows that continue a row are neighbours. No row is padding: a
//! sequence that has ended has none.

use crate::sequence::Tokens;
use std::ops::Range;

/// One sequence of a block.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sequence<'a> {
    pub tokens: Tokens<'a>,
    /// How many of the tokens are fed.
    pub n_steps: usize,
    pub first_target: usize,
    pub key: u64,
}

impl<'a> Sequence<'a> {
    pub(super) fn fed(&self) -> Tokens<'a> {
        self.tokens.slice(..self.n_steps)
    }
}

/// How many steps two sequences share from the first on.
pub(super) fn n_shared(a: &Sequence, b: &Sequence) -> usize {
    a.fed().n_shared(b.fed())
}

/// A sequence (its place in the block) that goes through a packed row.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Member {
    pub sequence: usize,
    pub row: usize,
}

/// The tree over a window of steps.
#[derive(Default)]
pub(super) struct Tree {
    /// Steps that each sequence shares with the one before.
    shared: Vec<usize>,
    /// Sequences that are not at their end, and the row of each in the step placed last,
    /// counted from the step's first.
    active: Vec<usize>,
    row_of: Vec<usize>,
    /// First row of each step of the window, and the end of the last.
    starts: Vec<usize>,
    /// For each step, one value more than it has rows.
    children: Vec<u32>,
    /// Rows of the step behind the window.
    n_carried: usize,
    tokens: Vec<u32>,
    members: Vec<Member>,
    member_starts: Vec<usize>,
}

impl Tree {
    /// Takes sorted sequences, each with at least one step; without `merge` every
    /// sequence keeps rows of its own.
    pub(super) fn begin(&mut self, sequences: &[Sequence], merge: bool) {
        self.shared.clear();
        self.shared.push(0);
        let pairs = sequences.windows(2);
        self.shared
            .extend(pairs.map(|pair| if merge { n_shared(&pair[0], &pair[1]) } else { 0 }));
        self.active.clear();
        self.active.extend(0..sequences.len());
        self.row_of.clear();
        self.row_of.resize(sequences.len(), 0);
        self.starts.clear();
        self.n_carried = 0;
    }

    /// Packs the steps `window`, at least one; it begins where the window before ended.
    pub(super) fn place(&mut self, sequences: &[Sequence], window: Range<usize>) {
        let Tree {
            shared,
            active,
            row_of,
            starts,
            children,
            tokens,
            members,
            member_starts,
            ..
        } = self;
        starts.clear();
        children.clear();
        tokens.clear();
        members.clear();
        member_starts.clear();
        let mut n_rows_before = 0;
        // The step behind the window is only linked to its parents.
        for t in window.start..=window.end {
            let is_placed = t < window.end;
            let first = tokens.len();
            if is_placed {
                starts.push(first);
                member_starts.push(members.len());
            }
            let first_child = children.len();
            let mut n_rows = 0;
            active.retain(|&sequence| sequences[sequence].n_steps > t);
            for &sequence in active.iter() {
                if shared[sequence] <= t {
                    if t > window.start {
                        // Parents before this row's that have no children list yet have
                        // an empty one.
                        children.resize(first_child + row_of[sequence] + 1, n_rows as u32);
                    }
                    if is_placed {
                        tokens.push(sequences[sequence].tokens.at(t).0);
                    }
                    n_rows += 1;
                }
                row_of[sequence] = n_rows - 1;
                if is_placed {
                    members.push(Member {
                        sequence,
                        row: first + n_rows - 1,
                    });
                }
            }
            if t > window.start {
                children.resize(first_child + n_rows_before + 1, n_rows as u32);
            }
            n_rows_before = n_rows;
        }
        starts.push(tokens.len());
        member_starts.push(members.len());
        self.n_carried = n_rows_before;
    }

    /// Rows of a step, placed or not.
    pub(super) fn width(&self, sequences: &[Sequence], step: usize) -> usize {
        let shared = sequences.iter().zip(&self.shared);
        shared
            .filter(|&(sequence, &shared)| sequence.n_steps > step && shared <= step)
            .count()
    }

    pub(super) fn n_steps(&self) -> usize {
        self.starts.len().saturating_sub(1)
    }

    /// Packed rows of the window.
    pub(super) fn n_rows(&self) -> usize {
        self.starts.last().copied().unwrap_or(0)
    }

    /// Rows of the step behind the window.
    pub(super) fn n_carried(&self) -> usize {
        self.n_carried
    }

    /// The most rows of a step of the window.
    pub(super) fn widest(&self) -> usize {
        self.starts.windows(2).map(|ends| ends[1] - ends[0]).max().unwrap_or(0)
    }

    /// Packed rows of step `t` of the window.
    pub(super) fn rows(&self, t: usize) -> Range<usize> {
        self.starts[t]..self.starts[t + 1]
    }

    /// The token of each packed row.
    pub(super) fn tokens(&self) -> &[u32] {
        &self.tokens
    }

    /// For step `t` of the window: the rows that continue its row r are
    /// `children[r]..children[r + 1]` of the next step.
    pub(super) fn children(&self, t: usize) -> &[u32] {
        let Range { start, end } = self.rows(t);
        &self.children[start + t..end + t + 1]
    }

    /// The sequences that go through the rows of step `t` of the window.
    pub(super) fn members(&self, t: usize) -> &[Member] {
        &self.members[self.member_starts[t]..self.member_starts[t + 1]]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sequences<'a>(tokens: &[&'a [u8]]) -> Vec<Sequence<'a>> {
        tokens
            .iter()
            .map(|&tokens| Sequence {
                tokens: Tokens::U8(tokens),
                n_steps: tokens.len(),
                first_target: 1,
                key: 0,
            })
            .collect()
    }

    /// Row of each member, by sequence.
    fn rows_of(tree: &Tree, t: usize) -> Vec<(usize, usize)> {
        tree.members(t)
            .iter()
            .map(|member| (member.sequence, member.row))
            .collect()
    }

    #[test]
    fn common_prefixes_share_rows() {
        // 0 ─ 0 ─ 1
        //   │   └ 2 ─ 0
        //   └ 1
        // 3
        let sequences = sequences(&[&[0, 0, 1], &[0, 0, 2, 0], &[0, 0, 2, 0], &[0, 1], &[3]]);
        let mut tree = Tree::default();
        tree.begin(&sequences, true);
        tree.place(&sequences, 0..4);
        assert_eq!(tree.tokens(), [0, 3, 0, 1, 1, 2, 0]);
        assert_eq!(
            [tree.rows(0), tree.rows(1), tree.rows(2), tree.rows(3)],
            [0..2, 2..4, 4..6, 6..7]
        );
        assert_eq!(tree.children(0), [0, 2, 2]);
        assert_eq!(tree.children(1), [0, 2, 2]);
        assert_eq!(tree.children(2), [0, 0, 1]);
        assert_eq!(tree.children(3), [0, 0]);
        assert_eq!(rows_of(&tree, 0), [(0, 0), (1, 0), (2, 0), (3, 0), (4, 1)]);
        assert_eq!(rows_of(&tree, 1), [(0, 2), (1, 2), (2, 2), (3, 3)]);
        assert_eq!(rows_of(&tree, 2), [(0, 4), (1, 5), (2, 5)]);
        assert_eq!(rows_of(&tree, 3), [(1, 6), (2, 6)]);
        assert_eq!((tree.n_rows(), tree.n_carried(), tree.widest()), (7, 0, 2));
    }

    #[test]
    fn windows_continue_each_other() {
        let sequences = sequences(&[&[0, 0, 1], &[0, 0, 2, 0], &[0, 0, 2, 0], &[0, 1], &[3]]);
        let mut tree = Tree::default();
        tree.begin(&sequences, true);
        tree.place(&sequences, 0..2);
        assert_eq!(tree.tokens(), [0, 3, 0, 1]);
        assert_eq!(tree.children(1), [0, 2, 2]);
        assert_eq!(tree.n_carried(), 2);
        // A tree that begins anew goes on from any step.
        tree.begin(&sequences, true);
        assert_eq!(
            [0, 1, 2, 3, 4].map(|step| tree.width(&sequences, step)),
            [2, 2, 2, 1, 0]
        );
        tree.place(&sequences, 2..4);
        assert_eq!(tree.tokens(), [1, 2, 0]);
        assert_eq!(rows_of(&tree, 0), [(0, 0), (1, 1), (2, 1)]);
        assert_eq!(tree.children(0), [0, 0, 1]);
        assert_eq!(tree.n_carried(), 0);
    }

    #[test]
    fn without_merging_every_sequence_has_its_rows() {
        let sequences = sequences(&[&[0, 0], &[0, 0], &[0]]);
        let mut tree = Tree::default();
        tree.begin(&sequences, false);
        tree.place(&sequences, 0..2);
        assert_eq!(tree.tokens(), [0, 0, 0, 0, 0]);
        assert_eq!(tree.children(0), [0, 1, 2, 2]);
    }
}
