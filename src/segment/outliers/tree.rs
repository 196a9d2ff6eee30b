//! The points nearest to a point: a k-d tree (Bentley, "Multidimensional binary search trees used for
//! associative searching", 1975) with the bounds of every part, over points with weights.

use crate::compute::dispatch::Kernel;
use crate::compute::job;
use std::ops::Range;

/// Most points of a leaf, unless they agree in every coordinate.
const LEAF: usize = 32;

/// Distances that are taken at once.
const LANES: usize = 32;
/// A child that no node is.
const NONE: u32 = 0;

/// Points cut in two along their widest coordinate again and again.
pub struct Tree {
    dimensions: usize,
    nodes: Vec<Node>,
    /// Smallest and then largest value of each coordinate, (nodes, 2, dimensions).
    bounds: Vec<f64>,
    /// (points, dimensions), and the points of each leaf once more as (dimensions, points of the leaf).
    rows: Vec<f64>,
    columns: Vec<f64>,
    weights: Vec<u64>,
    /// Where each point of the tree stands among those it was made of.
    order: Vec<u32>,
}

struct Node {
    points: Range<u32>,
    /// The first of two children that stand side by side; [`NONE`] for a leaf.
    children: u32,
    /// Points whose coordinate `axis` is below `cut` are in the first child.
    axis: u32,
    cut: f64,
}

/// A point of the tree, seen from another one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Neighbour {
    pub square: f64,
    pub point: u32,
    /// How often it counts.
    pub weight: u64,
}

impl Neighbour {
    /// Nearer, and of two as near the one that comes first in the tree.
    #[inline(always)]
    fn before(&self, other: &Self) -> bool {
        self.square < other.square || (self.square == other.square && self.point < other.point)
    }
}

impl Tree {
    /// The tree of `rows`, shape (points, `dimensions`), row-major, with one weight each.
    pub fn new(rows: &[f64], weights: &[u64], dimensions: usize) -> Self {
        let mut tree = Self {
            dimensions,
            nodes: Vec::new(),
            bounds: Vec::new(),
            rows: Vec::with_capacity(rows.len()),
            columns: vec![0.0; rows.len()],
            weights: Vec::with_capacity(weights.len()),
            order: (0..weights.len() as u32).collect(),
        };
        tree.cut(rows);
        for &index in &tree.order {
            tree.rows
                .extend_from_slice(&rows[index as usize * dimensions..][..dimensions]);
            tree.weights.push(weights[index as usize]);
        }
        for leaf in tree.nodes.iter().filter(|node| node.children == NONE) {
            let values = leaf.points.start as usize * dimensions..leaf.points.end as usize * dimensions;
            let columns = tree.columns[values.clone()].chunks_exact_mut(leaf.points.len());
            for (axis, column) in columns.enumerate() {
                let values = tree.rows[values.clone()][axis..].iter().step_by(dimensions);
                column.iter_mut().zip(values).for_each(|(slot, &value)| *slot = value);
            }
        }
        tree
    }

    fn cut(&mut self, rows: &[f64]) {
        self.push(rows, 0..self.order.len() as u32);
        let mut node = 0;
        while node < self.nodes.len() {
            job::check();
            let points = self.nodes[node].points.clone();
            if let Some(axis) = self.widest(node).filter(|_| points.len() > LEAF) {
                let (cut, middle) = self.part(rows, points.clone(), axis);
                let children = self.nodes.len() as u32;
                self.push(rows, points.start..middle);
                self.push(rows, middle..points.end);
                let axis = axis as u32;
                self.nodes[node] = Node {
                    points,
                    children,
                    axis,
                    cut,
                };
            }
            node += 1;
        }
    }

    fn push(&mut self, rows: &[f64], points: Range<u32>) {
        let first = self.bounds.len();
        self.bounds.resize(first + self.dimensions, f64::INFINITY);
        self.bounds.resize(first + 2 * self.dimensions, f64::NEG_INFINITY);
        let (low, high) = self.bounds[first..].split_at_mut(self.dimensions);
        for &index in &self.order[points.start as usize..points.end as usize] {
            let row = &rows[index as usize * self.dimensions..][..self.dimensions];
            for ((low, high), &value) in low.iter_mut().zip(high.iter_mut()).zip(row) {
                *low = low.min(value);
                *high = high.max(value);
            }
        }
        self.nodes.push(Node {
            points,
            children: NONE,
            axis: 0,
            cut: 0.0,
        });
    }

    /// The smallest and the largest value of each coordinate in a node.
    #[inline(always)]
    fn bounds(&self, node: usize) -> (&[f64], &[f64]) {
        self.bounds[2 * node * self.dimensions..][..2 * self.dimensions].split_at(self.dimensions)
    }

    /// The coordinate whose values in a node lie furthest apart; none where all points are one.
    fn widest(&self, node: usize) -> Option<usize> {
        let (low, high) = self.bounds(node);
        let widths = low.iter().zip(high).map(|(low, high)| high - low).enumerate();
        let widest = widths.max_by(|a, b| a.1.total_cmp(&b.1))?;
        (widest.1 > 0.0).then_some(widest.0)
    }

    /// Puts those of `points` first whose coordinate `axis` is below a value in the middle. Gives the value, and the
    /// first of the others. Neither part is empty.
    fn part(&mut self, rows: &[f64], points: Range<u32>, axis: usize) -> (f64, u32) {
        let value = |index: &u32| rows[*index as usize * self.dimensions + axis];
        let order = &mut self.order[points.start as usize..points.end as usize];
        let half = order.len() / 2;
        let (below, middle, above) = order.select_nth_unstable_by(half, |a, b| value(a).total_cmp(&value(b)));
        let middle = value(middle);
        let cut = if below.iter().any(|index| value(index) < middle) {
            middle
        } else {
            let next = above.iter().map(value).filter(|&value| value > middle);
            next.fold(f64::INFINITY, f64::min)
        };
        let mut n_below = 0;
        for at in 0..order.len() {
            if value(&order[at]) < cut {
                order.swap(at, n_below);
                n_below += 1;
            }
        }
        (cut, points.start + n_below as u32)
    }

    /// Number of points.
    pub fn len(&self) -> usize {
        self.weights.len()
    }

    /// The coordinates of a point.
    #[inline(always)]
    pub fn row(&self, point: u32) -> &[f64] {
        &self.rows[point as usize * self.dimensions..][..self.dimensions]
    }

    /// Where a point of the tree stands among those it was made of.
    pub fn origin(&self, point: u32) -> usize {
        self.order[point as usize] as usize
    }

    /// The points of the leaf that a row belongs to.
    pub fn leaf(&self, row: &[f64]) -> Range<u32> {
        let mut node = &self.nodes[0];
        while node.children != NONE {
            let upper = row[node.axis as usize] >= node.cut;
            node = &self.nodes[node.children as usize + usize::from(upper)];
        }
        node.points.clone()
    }

    /// The square of the distance from a row to the nearest place in the bounds of a node.
    #[inline(always)]
    fn square_to(&self, node: usize, row: &[f64]) -> f64 {
        let (low, high) = self.bounds(node);
        let mut square = 0.0;
        for ((low, high), value) in low.iter().zip(high).zip(row) {
            let outside = (low - value).max(value - high).max(0.0);
            square += outside * outside;
        }
        square
    }
}

/// The nearest of the other points to some points of a tree, each as often as it counts, until they are `count`.
pub struct Nearest<'a, F> {
    pub tree: &'a Tree,
    pub points: Range<u32>,
    /// Above 0, and no more than there are others.
    pub count: u64,
    /// What is called with each point and its neighbours, nearest first; the last may count too often.
    pub found: F,
}

impl<F: FnMut(u32, &[Neighbour])> Kernel for Nearest<'_, F> {
    type Output = ();

    #[inline(always)]
    fn run(mut self) {
        let mut nearest = Kept::new(self.count);
        let (mut open, mut steps) = (Vec::new(), job::Steps::default());
        for point in self.points.clone() {
            nearest.clear();
            let again = self.tree.weights[point as usize] - 1;
            if again > 0 {
                nearest.add(Neighbour {
                    square: 0.0,
                    point,
                    weight: again,
                });
            }
            self.search(point, &mut nearest, &mut open, &mut steps);
            (self.found)(point, &nearest.points);
        }
    }
}

impl<F> Nearest<'_, F> {
    #[inline(always)]
    fn search(&self, point: u32, nearest: &mut Kept, open: &mut Vec<(f64, u32)>, steps: &mut job::Steps) {
        let (tree, row) = (self.tree, self.tree.row(point));
        open.push((0.0, 0));
        while let Some((square, node)) = open.pop() {
            // What is as far as the furthest may come before it in the tree.
            if square > nearest.furthest {
                continue;
            }
            let mut node = &tree.nodes[node as usize];
            while node.children != NONE {
                let children = [node.children, node.children + 1];
                let squares = children.map(|child| tree.square_to(child as usize, row));
                let near = usize::from(squares[1] < squares[0]);
                open.push((squares[1 - near], children[1 - near]));
                node = &tree.nodes[children[near] as usize];
            }
            self.scan(point, node.points.clone(), nearest);
            steps.count(node.points.len() * tree.dimensions);
        }
    }

    /// Looks at the points of a leaf.
    #[inline(always)]
    fn scan(&self, point: u32, leaf: Range<u32>, nearest: &mut Kept) {
        let (tree, row) = (self.tree, self.tree.row(point));
        let size = leaf.len();
        let columns = &tree.columns[leaf.start as usize * tree.dimensions..][..size * tree.dimensions];
        for first in (0..size).step_by(LANES) {
            let n = LANES.min(size - first);
            let mut squares = [0.0; LANES];
            for (column, value) in columns.chunks_exact(size).zip(row) {
                for (square, other) in squares[..n].iter_mut().zip(&column[first..first + n]) {
                    let difference = other - value;
                    *square += difference * difference;
                }
            }
            for (lane, &square) in squares[..n].iter().enumerate() {
                let other = leaf.start + (first + lane) as u32;
                if square <= nearest.furthest && other != point {
                    let weight = tree.weights[other as usize];
                    nearest.add(Neighbour {
                        square,
                        point: other,
                        weight,
                    });
                }
            }
        }
    }
}

/// The nearest points so far, in order.
struct Kept {
    points: Vec<Neighbour>,
    /// How often they count together, and have to.
    total: u64,
    count: u64,
    /// The square of the distance of the last once they count often enough.
    furthest: f64,
}

impl Kept {
    fn new(count: u64) -> Self {
        Self {
            points: Vec::new(),
            total: 0,
            count,
            furthest: f64::INFINITY,
        }
    }

    fn clear(&mut self) {
        self.points.clear();
        self.total = 0;
        self.furthest = f64::INFINITY;
    }

    #[inline(always)]
    fn add(&mut self, new: Neighbour) {
        let place = self
            .points
            .iter()
            .rposition(|known| known.before(&new))
            .map_or(0, |before| before + 1);
        self.points.insert(place, new);
        self.total += new.weight;
        while let Some(last) = self.points.last() {
            if self.total - last.weight < self.count {
                break;
            }
            self.total -= last.weight;
            self.points.pop();
        }
        if let Some(last) = self.points.last().filter(|_| self.total >= self.count) {
            self.furthest = last.square;
        }
    }
}
