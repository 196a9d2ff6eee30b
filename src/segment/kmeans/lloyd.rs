//! Lloyd's iterations (Lloyd, "Least squares quantization in PCM", 1982) with
//! pruning that changes no result.
//!
//! Every iteration assigns each point to its nearest centroid and moves each
//! centroid to the mean of its points. Two bounds from the triangle inequality
//! save most of the distances; both work on blocks of neighbouring points:
//!
//! - **Balls** (after Kanungo et al., "An efficient k-means clustering
//!   algorithm", 2002). A centroid that is further from a block's centre than
//!   the nearest one by more than the block's diameter is nearest to none of its
//!   points. If only one centroid remains, the whole block is decided.
//! - **Drift** (after Hamerly, "Making k-means even faster", 2010). A point
//!   whose second nearest centroid is further away than its nearest by a margin
//!   keeps its cluster until the centroids have moved by that margin. A block
//!   is left alone as long as all of its points may be; after that, if only a
//!   few need a look, they are gathered with those of other blocks.
//!
//! Sums per cluster are kept up to date with the points that change, and taken
//! afresh from the assignment when no point changes any more.
//!
//! Of many points the centroids can go beyond the means, `RELAXATION` times the
//! way. For a given assignment the inertia is a quadratic bowl around the means,
//! so a step of less than twice the way still lowers it, and where the centroids
//! creep in one direction for a hundred iterations it halves their number.

use crate::compute::dispatch::{self, Kernel};
use crate::compute::job::Steps;
use crate::compute::parallel;
use crate::segment::kmeans::blocks::{Blocks, CHUNK, LANES, Lanes, SLACK, squared_distance, squared_distances, sum};
use std::ops::Range;

/// A block whose points are in different clusters.
const MIXED: u16 = u16::MAX;
/// The largest number of clusters that a label can tell apart from `MIXED`.
pub const MAX_LABELS: usize = MIXED as usize;
/// A block in which more points need a look is looked at as a whole.
const SCATTERED: usize = LANES / 4;
/// A chunk gives up the ball test when fewer than one try in this many helped.
const WORTHWHILE: u32 = 8;

/// How far relaxed iterations go, as a multiple of the way to the mean.
const RELAXATION: f64 = 1.8;

/// Centroids being moved over the points.
pub struct Lloyd<'a> {
    blocks: &'a Blocks,
    threads: usize,
    k: usize,
    /// (k, dimensions), scaled.
    centroids: Vec<f64>,
    /// Per cluster: weight, then weighted sum per coordinate.
    sums: Vec<f64>,
    drift: Drift,
    chunks: Vec<Chunk>,
    iterations: usize,
    converged: bool,
    relaxed: bool,
}

/// How far centroids have moved since the start, as bounds on how much a margin
/// can have shrunk.
struct Drift {
    /// For points of cluster j: the moves of j plus the largest move of another.
    cluster: Vec<f64>,
    /// For points of any cluster: the two largest moves.
    any: f64,
}

/// The assignment of [`CHUNK`] blocks.
struct Chunk {
    first: usize,
    /// The cluster of all points of a block, or `MIXED`.
    owners: Vec<u16>,
    /// The cluster of each point; read for mixed blocks only.
    labels: Vec<[u16; LANES]>,
    /// A block is looked at again when the drift has reached this.
    expiry: Vec<f64>,
    /// The same for each point; read for mixed blocks only.
    expiries: Vec<Lanes>,
    /// Change of the sums per cluster in this iteration.
    delta: Vec<f64>,
    changed: bool,
    tried: u32,
    helped: u32,
}

impl<'a> Lloyd<'a> {
    /// Starts from `centroids`, shape (k, dimensions), scaled as the blocks are.
    ///
    /// # Panics
    /// When `centroids` is empty or holds more than [`MAX_LABELS`] centroids.
    pub fn new(blocks: &'a Blocks, centroids: Vec<f64>, threads: usize) -> Self {
        let dimensions = blocks.dimensions();
        let k = centroids.len() / dimensions;
        assert!((1..=MAX_LABELS).contains(&k), "{k} centroids");
        let chunks = parallel::map(threads, blocks.len().div_ceil(CHUNK), |chunk| {
            let first = chunk * CHUNK;
            let count = CHUNK.min(blocks.len() - first);
            Chunk {
                first,
                owners: vec![MIXED; count],
                labels: vec![[MIXED; LANES]; count],
                expiry: vec![f64::NEG_INFINITY; count],
                expiries: vec![[f64::NEG_INFINITY; LANES]; count],
                delta: vec![0.0; k * (dimensions + 1)],
                changed: false,
                tried: 0,
                helped: 0,
            }
        });
        Self {
            blocks,
            threads,
            k,
            sums: vec![0.0; k * (dimensions + 1)],
            drift: Drift {
                cluster: vec![0.0; k],
                any: 0.0,
            },
            centroids,
            chunks,
            iterations: 0,
            converged: false,
            relaxed: false,
        }
    }

    /// As [`Lloyd::new`], with steps beyond the means as long as points change their clusters.
    pub fn relaxed(blocks: &'a Blocks, centroids: Vec<f64>, threads: usize) -> Self {
        let mut lloyd = Self::new(blocks, centroids, threads);
        lloyd.relaxed = true;
        lloyd
    }

    /// Iterates until no point changes its cluster or `max_iterations` have been
    /// done since [`Lloyd::new`].
    pub fn run(&mut self, max_iterations: usize) {
        while !self.converged && self.iterations < max_iterations {
            self.iterate();
        }
    }

    /// As [`Lloyd::run`], but also ends when the squared ways of all centroids to the
    /// means of their points add up to no more than `tolerance`. The last iteration
    /// is not relaxed, so that the centroids are the means of an assignment.
    pub fn run_roughly(&mut self, max_iterations: usize, tolerance: f64) {
        let mut moved = f64::INFINITY;
        while !self.converged && moved > tolerance && self.iterations + 1 < max_iterations {
            moved = self.iterate();
        }
        self.relaxed = false;
        self.run(max_iterations.min(self.iterations + 1));
    }

    /// One iteration; returns the sum of the squared ways of the centroids to the means.
    fn iterate(&mut self) -> f64 {
        self.iterations += 1;
        let changed = self.assign();
        if !changed {
            self.sum_afresh();
        }
        // The first step leaves the start for the data, and a last one has to end on the means.
        let step = if self.relaxed && changed && self.iterations > 1 {
            RELAXATION
        } else {
            1.0
        };
        let moved = self.move_centroids(step);
        self.converged = !changed && moved == 0.0;
        moved / (step * step)
    }

    /// The centroids, shape (k, dimensions), scaled.
    pub fn centroids(&self) -> &[f64] {
        &self.centroids
    }

    /// Iterations done.
    pub fn iterations(&self) -> usize {
        self.iterations
    }

    /// Weighted sum of squared distances from the nearest centroid.
    pub fn inertia(&self) -> f64 {
        inertia(self.blocks, &self.centroids, self.threads)
    }

    /// Assigns every point to its nearest centroid, the first of equally near
    /// ones. Returns whether a point changed its cluster.
    fn assign(&mut self) -> bool {
        let (blocks, centroids, drift, k) = (self.blocks, &self.centroids, &self.drift, self.k);
        parallel::for_each(self.threads, &mut self.chunks, |_, chunk| {
            chunk.delta.fill(0.0);
            chunk.changed = false;
            dispatch::run(Assign {
                chunk,
                blocks,
                centroids,
                drift,
                k,
            });
        });
        let mut changed = false;
        for chunk in self.chunks.iter().filter(|chunk| chunk.changed) {
            changed = true;
            for (sum, delta) in self.sums.iter_mut().zip(&chunk.delta) {
                *sum += delta;
            }
        }
        changed
    }

    /// Replaces the running sums, in which rounding errors of many changes add
    /// up, by the sums over the present assignment.
    fn sum_afresh(&mut self) {
        let blocks = self.blocks;
        parallel::for_each(self.threads, &mut self.chunks, |_, chunk| {
            chunk.delta.fill(0.0);
            for index in 0..chunk.owners.len() {
                chunk.add(blocks, index);
            }
        });
        self.sums.fill(0.0);
        for chunk in &self.chunks {
            for (sum, delta) in self.sums.iter_mut().zip(&chunk.delta) {
                *sum += delta;
            }
        }
    }

    /// Moves every centroid to the mean of its points or `step` times as far, one
    /// without points to the point that is worst off. Returns the sum of the squared moves.
    fn move_centroids(&mut self, step: f64) -> f64 {
        let dimensions = self.blocks.dimensions();
        let mut next = self.centroids.clone();
        for (centroid, sums) in next
            .chunks_exact_mut(dimensions)
            .zip(self.sums.chunks_exact(dimensions + 1))
        {
            if sums[0] > 0.0 {
                for (coordinate, sum) in centroid.iter_mut().zip(&sums[1..]) {
                    let mean = sum / sums[0];
                    *coordinate = mean + (step - 1.0) * (mean - *coordinate);
                }
            }
        }
        self.reseed(&mut next);
        let squares: Vec<f64> = next
            .chunks_exact(dimensions)
            .zip(self.centroids.chunks_exact(dimensions))
            .map(|(to, from)| squared_distance(to, from))
            .collect();
        self.drift.add(&squares);
        self.centroids = next;
        squares.iter().sum()
    }

    /// Gives each cluster without points the point that is furthest from its own
    /// (new) centroid, a different one each.
    fn reseed(&self, centroids: &mut [f64]) {
        let dimensions = self.blocks.dimensions();
        let empty: Vec<usize> = (0..self.k).filter(|j| self.sums[j * (dimensions + 1)] <= 0.0).collect();
        if empty.is_empty() {
            return;
        }
        let mut worst: Vec<(f64, usize)> = (0..self.blocks.n_points())
            .map(|index| {
                let own = self.label(index) * dimensions;
                let distance = squared_distance(&self.blocks.point(index), &centroids[own..own + dimensions]);
                (distance, index)
            })
            .collect();
        worst.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        for (j, (_, index)) in empty.into_iter().zip(worst) {
            centroids[j * dimensions..][..dimensions].copy_from_slice(&self.blocks.point(index));
        }
    }

    fn label(&self, index: usize) -> usize {
        let (block, lane) = (index / LANES, index % LANES);
        let chunk = &self.chunks[block / CHUNK];
        let block = block % CHUNK;
        usize::from(match chunk.owners[block] {
            MIXED => chunk.labels[block][lane],
            owner => owner,
        })
    }
}

impl Drift {
    fn add(&mut self, squared_moves: &[f64]) {
        let moves: Vec<f64> = squared_moves
            .iter()
            .map(|square| square.sqrt() * (1.0 + SLACK))
            .collect();
        let (mut first, mut second) = (0, 0.0f64);
        for (j, &length) in moves.iter().enumerate().skip(1) {
            if length > moves[first] {
                second = moves[first];
                first = j;
            } else {
                second = second.max(length);
            }
        }
        for (j, total) in self.cluster.iter_mut().enumerate() {
            *total += moves[j] + if j == first { second } else { moves[first] };
        }
        self.any += moves[first] + second;
    }

    fn of(&self, owner: u16) -> f64 {
        match owner {
            MIXED => self.any,
            owner => self.cluster[usize::from(owner)],
        }
    }

    /// The drift at which a margin between two distances (that add up to
    /// `scale`) is used up, less what rounding may have added.
    fn expiry(&self, owner: u16, margin: f64, scale: f64) -> f64 {
        let now = self.of(owner);
        let margin = margin - SLACK * (scale + now);
        if margin > 0.0 { now + margin } else { f64::NEG_INFINITY }
    }
}

/// One iteration over one chunk.
struct Assign<'a> {
    chunk: &'a mut Chunk,
    blocks: &'a Blocks,
    centroids: &'a [f64],
    drift: &'a Drift,
    k: usize,
}

impl Kernel for Assign<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        self.chunk.assign(self.blocks, self.centroids, self.drift, self.k);
    }
}

impl Chunk {
    #[inline(always)]
    fn assign(&mut self, blocks: &Blocks, centroids: &[f64], drift: &Drift, k: usize) {
        let mut ball = Ball::new(k);
        let mut gathered = Gathered::new(blocks.dimensions());
        let mut steps = Steps::default();
        for index in 0..self.owners.len() {
            if drift.of(self.owners[index]) < self.expiry[index] {
                continue;
            }
            let block = self.first + index;
            if self.owners[index] == MIXED && self.expired(index, drift.any) <= SCATTERED {
                for lane in 0..LANES {
                    if drift.any >= self.expiries[index][lane] {
                        gathered.push(blocks.values(block), index, lane);
                        if gathered.places.len() == LANES {
                            self.settle(blocks, centroids, drift, &mut gathered, &mut ball);
                        }
                    }
                }
                continue;
            }
            steps.count(k * blocks.dimensions());
            ball.all();
            if self.tried < 64 || self.helped * WORTHWHILE >= self.tried {
                ball.test(blocks, block, centroids);
                self.tried += 1;
                self.helped += u32::from(ball.near.len() * 2 <= k);
            }
            if let [owner] = ball.near[..] {
                self.set_owner(blocks, index, owner as u16);
                self.expiry[index] = drift.expiry(owner as u16, ball.margin, ball.scale);
                continue;
            }
            let nearest = Nearest::of(blocks.values(block), centroids, &ball);
            let owner = nearest.owner();
            let (margins, scale) = nearest.margins();
            if owner == MIXED {
                self.set_labels(blocks, index, &nearest);
                let expiries = &mut self.expiries[index];
                for lane in 0..LANES {
                    expiries[lane] = drift.expiry(MIXED, margins[lane], scale);
                }
                self.expiry[index] = smallest(expiries);
            } else {
                self.set_owner(blocks, index, owner);
                self.expiry[index] = drift.expiry(owner, smallest(&margins), scale);
            }
        }
        self.settle(blocks, centroids, drift, &mut gathered, &mut ball);
    }

    /// How many points of a mixed block need a look.
    #[inline(always)]
    fn expired(&self, index: usize, drift: f64) -> usize {
        let mut count = 0.0;
        for expiry in &self.expiries[index] {
            count += if drift >= *expiry { 1.0 } else { 0.0 };
        }
        count as usize
    }

    /// Looks at the gathered points, which are of mixed blocks.
    #[inline(always)]
    fn settle(&mut self, blocks: &Blocks, centroids: &[f64], drift: &Drift, gathered: &mut Gathered, ball: &mut Ball) {
        if gathered.places.is_empty() {
            return;
        }
        ball.all();
        let nearest = Nearest::of(&gathered.values, centroids, ball);
        let (margins, scale) = nearest.margins();
        for (slot, &(index, lane)) in gathered.places.iter().enumerate() {
            let (before, label) = (self.labels[index][lane], nearest.labels[slot] as u16);
            if before != label {
                self.changed = true;
                self.labels[index][lane] = label;
                self.add_point(blocks, self.first + index, lane, before, -1.0);
                self.add_point(blocks, self.first + index, lane, label, 1.0);
            }
            self.expiries[index][lane] = drift.expiry(MIXED, margins[slot], scale);
        }
        for &(index, _) in &gathered.places {
            self.expiry[index] = smallest(&self.expiries[index]);
        }
        gathered.places.clear();
    }

    /// All points of the block now belong to `owner`.
    #[inline(always)]
    fn set_owner(&mut self, blocks: &Blocks, index: usize, owner: u16) {
        if self.owners[index] == owner {
            return;
        }
        self.changed = true;
        self.remove(blocks, index);
        self.owners[index] = owner;
        self.add(blocks, index);
    }

    /// The points of the block now belong to different clusters.
    #[inline(always)]
    fn set_labels(&mut self, blocks: &Blocks, index: usize, nearest: &Nearest) {
        let labels = nearest.labels.map(|label| label as u16);
        if self.owners[index] != MIXED || self.labels[index][0] == MIXED {
            self.changed = true;
            self.remove(blocks, index);
            self.owners[index] = MIXED;
            self.labels[index] = labels;
            self.add(blocks, index);
            return;
        }
        let block = self.first + index;
        let before = self.labels[index];
        if before == labels {
            return;
        }
        self.changed = true;
        self.labels[index] = labels;
        for lane in (0..LANES).filter(|&lane| before[lane] != labels[lane]) {
            self.add_point(blocks, block, lane, before[lane], -1.0);
            self.add_point(blocks, block, lane, labels[lane], 1.0);
        }
    }

    /// Takes the block out of the sums; before its first assignment it is in none.
    #[inline(always)]
    fn remove(&mut self, blocks: &Blocks, index: usize) {
        if self.owners[index] != MIXED || self.labels[index][0] != MIXED {
            self.count(blocks, index, -1.0);
        }
    }

    #[inline(always)]
    fn add(&mut self, blocks: &Blocks, index: usize) {
        self.count(blocks, index, 1.0);
    }

    #[inline(always)]
    fn count(&mut self, blocks: &Blocks, index: usize, sign: f64) {
        let block = self.first + index;
        let owner = self.owners[index];
        if owner == MIXED {
            for lane in 0..LANES {
                self.add_point(blocks, block, lane, self.labels[index][lane], sign);
            }
        } else {
            let width = blocks.dimensions() + 1;
            let delta = &mut self.delta[usize::from(owner) * width..][..width];
            for (delta, sum) in delta.iter_mut().zip(blocks.sums(block)) {
                *delta += sign * sum;
            }
        }
    }

    #[inline(always)]
    fn add_point(&mut self, blocks: &Blocks, block: usize, lane: usize, label: u16, sign: f64) {
        let width = blocks.dimensions() + 1;
        let weight = sign * blocks.weights(block)[lane];
        let delta = &mut self.delta[usize::from(label) * width..][..width];
        delta[0] += weight;
        for (delta, values) in delta[1..].iter_mut().zip(blocks.values(block)) {
            *delta += weight * values[lane];
        }
    }
}

/// The centroids that can be nearest to a point of one block.
struct Ball {
    k: usize,
    /// Ascending, so that the first of equally near centroids wins.
    near: Vec<usize>,
    distances: Vec<f64>,
    /// All others are at least this far from every point; squared.
    others: f64,
    /// With one near centroid: how much further away the others are.
    margin: f64,
    /// The size of the distances that `margin` was taken from.
    scale: f64,
}

impl Ball {
    fn new(k: usize) -> Self {
        Self {
            k,
            near: Vec::with_capacity(k),
            distances: vec![0.0; k],
            others: f64::INFINITY,
            margin: 0.0,
            scale: 0.0,
        }
    }

    /// No centroid is ruled out.
    #[inline(always)]
    fn all(&mut self) {
        if self.near.len() != self.k {
            self.near.clear();
            self.near.extend(0..self.k);
        }
        self.others = f64::INFINITY;
        // A single cluster needs no test and never changes.
        self.margin = f64::INFINITY;
        self.scale = 0.0;
    }

    #[inline(always)]
    fn test(&mut self, blocks: &Blocks, block: usize, centroids: &[f64]) {
        let centre = blocks.centre(block);
        let places = centroids.chunks_exact(blocks.dimensions());
        for (distance, place) in self.distances.iter_mut().zip(places) {
            *distance = squared_distance(place, centre).sqrt();
        }
        let radius = blocks.radius(block);
        let nearest = self.distances.iter().copied().fold(f64::INFINITY, f64::min);
        let reach = (nearest + 2.0 * radius) * (1.0 + SLACK);
        let mut others = f64::INFINITY;
        self.near.clear();
        for (j, &distance) in self.distances.iter().enumerate() {
            if distance <= reach {
                self.near.push(j);
            } else {
                others = others.min(distance);
            }
        }
        self.margin = others - radius - (nearest + radius);
        self.scale = others + nearest + 2.0 * radius;
        if others.is_infinite() {
            self.scale = 0.0;
        }
        let others = (others - radius) * (1.0 - SLACK);
        self.others = others * others;
    }
}

/// Per point of a block: squared distance of the nearest centroid and of the
/// second nearest, and the nearest one's number.
struct Nearest {
    first: Lanes,
    second: Lanes,
    labels: Lanes,
}

impl Nearest {
    #[inline(always)]
    #[expect(
        clippy::needless_range_loop,
        reason = "one index into arrays of one length vectorises"
    )]
    fn of(values: &[Lanes], centroids: &[f64], ball: &Ball) -> Self {
        let mut nearest = Self {
            first: [f64::INFINITY; LANES],
            second: [ball.others; LANES],
            labels: [0.0; LANES],
        };
        for &j in &ball.near {
            let squares = squared_distances(values, &centroids[j * values.len()..][..values.len()]);
            let label = j as f64;
            for lane in 0..LANES {
                let square = squares[lane];
                let first = nearest.first[lane];
                let second = nearest.second[lane];
                let closer = square < first;
                let loser = if closer { first } else { square };
                nearest.second[lane] = if loser < second { loser } else { second };
                nearest.first[lane] = if closer { square } else { first };
                nearest.labels[lane] = if closer { label } else { nearest.labels[lane] };
            }
        }
        nearest
    }

    /// The cluster of all points, or `MIXED`.
    #[inline(always)]
    fn owner(&self) -> u16 {
        let first = self.labels[0];
        let different = self.labels.iter().filter(|&&label| label != first).count();
        if different == 0 { first as u16 } else { MIXED }
    }

    /// Per point the margin between the distances of the two nearest centroids,
    /// and the largest sum of these distances.
    #[inline(always)]
    fn margins(&self) -> (Lanes, f64) {
        let mut margins = [0.0; LANES];
        let mut sums = [0.0; LANES];
        for lane in 0..LANES {
            let (first, second) = (self.first[lane].sqrt(), self.second[lane].sqrt());
            margins[lane] = second - first;
            sums[lane] = second + first;
        }
        let mut scale = 0.0;
        for &sum in &sums {
            scale = if sum > scale { sum } else { scale };
        }
        (margins, scale)
    }
}

#[inline(always)]
fn smallest(lanes: &Lanes) -> f64 {
    let mut smallest = f64::INFINITY;
    for &lane in lanes {
        smallest = if lane < smallest { lane } else { smallest };
    }
    smallest
}

/// Points of several blocks of a chunk, brought together in one.
struct Gathered {
    values: Vec<Lanes>,
    /// Block within the chunk, and lane.
    places: Vec<(usize, usize)>,
}

impl Gathered {
    fn new(dimensions: usize) -> Self {
        Self {
            values: vec![[0.0; LANES]; dimensions],
            places: Vec::with_capacity(LANES),
        }
    }

    #[inline(always)]
    fn push(&mut self, block: &[Lanes], index: usize, lane: usize) {
        for (gathered, values) in self.values.iter_mut().zip(block) {
            gathered[self.places.len()] = values[lane];
        }
        self.places.push((index, lane));
    }
}

/// The nearest centroid of every point, the first of equally near ones.
/// `centroids` has shape (k, dimensions), scaled.
pub fn labels(blocks: &Blocks, centroids: &[f64], threads: usize) -> Vec<u16> {
    let mut lloyd = Lloyd::new(blocks, centroids.to_vec(), threads);
    lloyd.assign();
    (0..blocks.n_points()).map(|index| lloyd.label(index) as u16).collect()
}

/// Weighted sum of squared distances from the nearest of `centroids`.
pub fn inertia(blocks: &Blocks, centroids: &[f64], threads: usize) -> f64 {
    let mut parts = vec![0.0; blocks.len().div_ceil(CHUNK)];
    let k = centroids.len() / blocks.dimensions();
    parallel::for_each(threads, &mut parts, |chunk, part| {
        let range = chunk * CHUNK..blocks.len().min((chunk + 1) * CHUNK);
        *part = dispatch::run(Inertia {
            blocks,
            range,
            centroids,
            k,
        });
    });
    parts.iter().sum()
}

/// The inertia of some blocks.
struct Inertia<'a> {
    blocks: &'a Blocks,
    range: Range<usize>,
    centroids: &'a [f64],
    k: usize,
}

impl Kernel for Inertia<'_> {
    type Output = f64;

    #[inline(always)]
    fn run(self) -> f64 {
        let mut ball = Ball::new(self.k);
        let mut total = 0.0;
        let mut steps = Steps::default();
        for block in self.range {
            steps.count(self.centroids.len());
            ball.test(self.blocks, block, self.centroids);
            let mut squares = Nearest::of(self.blocks.values(block), self.centroids, &ball).first;
            for (square, weight) in squares.iter_mut().zip(self.blocks.weights(block)) {
                *square *= weight;
            }
            total += sum(&squares);
        }
        total
    }
}
