//! Where the iterations start: k-means++ and k-means||.
//!
//! Both pick points that are far from the points picked before, with
//! probability in proportion to the squared distance, so that every region of
//! the data gets a centroid.

use crate::compute::dispatch::{self, Kernel};
use crate::compute::parallel;
use crate::error::Error;
use crate::random::{Random, hash};
use crate::segment::kmeans::blocks::{Blocks, CHUNK, LANES, Lanes, SLACK, squared_distance, squared_distances, sum};
use crate::segment::kmeans::lloyd;
use crate::segment::points::Points;
use crate::segment::scale::Scaling;

/// Rounds of k-means||; the paper finds no gain from more.
const ROUNDS: u64 = 5;

/// How start centroids are found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Start {
    /// Greedy k-means++ (Arthur and Vassilvitskii, "k-means++: the advantages of
    /// careful seeding", 2007): one point at a time, the best of 2 + ⌊ln k⌋ draws.
    #[default]
    PlusPlus,
    /// k-means|| (Bahmani et al., "Scalable k-means++", 2012): five rounds that
    /// draw about 2 k points each, then k-means++ over what was drawn, weighted
    /// by the points that are nearest to it.
    Parallel,
}

impl Start {
    /// The names in SQL.
    pub const NAMES: &'static str = "'kmeans++', 'kmeans||'";

    /// The start of that name in SQL.
    ///
    /// # Errors
    /// For any other name.
    pub fn parse(name: &str) -> Result<Self, Error> {
        match name {
            "kmeans++" => Ok(Self::PlusPlus),
            "kmeans||" => Ok(Self::Parallel),
            other => Err(Error::option("start", format!("'{other}'"), Self::NAMES)),
        }
    }

    /// Draws `k` start centroids, shape (k, dimensions), scaled as the blocks.
    pub fn draw(self, blocks: &Blocks, k: usize, seed: u64, threads: usize) -> Vec<f64> {
        match self {
            Self::PlusPlus => plus_plus(blocks, k, seed, threads),
            Self::Parallel => parallel_start(blocks, k, seed, threads),
        }
    }
}

/// Greedy k-means++.
fn plus_plus(blocks: &Blocks, k: usize, seed: u64, threads: usize) -> Vec<f64> {
    let mut random = Random::for_purpose(seed, "kmeans++");
    let trials = 2 + (k as f64).ln() as usize;
    let mut covered = Covered::new(blocks, threads);
    let mut centroids = covered.draw(random.uniform());
    covered.add(&centroids);
    for _ in 1..k {
        let candidates: Vec<Vec<f64>> = (0..trials).map(|_| covered.draw(random.uniform())).collect();
        let potentials = covered.potentials_with(&candidates);
        let best = (0..trials)
            .min_by(|&a, &b| potentials[a].total_cmp(&potentials[b]))
            .unwrap_or(0);
        covered.add(&candidates[best]);
        centroids.extend_from_slice(&candidates[best]);
    }
    centroids
}

/// A point far from all of `centroids`, drawn as the next one of k-means++ would be.
pub fn another(blocks: &Blocks, centroids: &[f64], random: &mut Random) -> Vec<f64> {
    let mut covered = Covered::new(blocks, 1);
    for place in centroids.chunks_exact(blocks.dimensions()) {
        covered.add(place);
    }
    covered.draw(random.uniform())
}

fn parallel_start(blocks: &Blocks, k: usize, seed: u64, threads: usize) -> Vec<f64> {
    let mut random = Random::for_purpose(seed, "kmeans||");
    let mut covered = Covered::new(blocks, threads);
    let mut drawn = covered.draw(random.uniform());
    covered.add(&drawn);
    for round in 0..ROUNDS {
        let chosen = covered.draw_each(2.0 * k as f64, |index| {
            (hash(seed, &[round, index as u64]) >> 11) as f64 / (1u64 << 53) as f64
        });
        for point in chosen {
            covered.add(&point);
            drawn.extend_from_slice(&point);
        }
    }
    let dimensions = blocks.dimensions();
    drawn.truncate(lloyd::MAX_LABELS * dimensions);
    let mut weights = vec![0u64; drawn.len() / dimensions];
    for (index, label) in lloyd::labels(blocks, &drawn, threads).into_iter().enumerate() {
        weights[usize::from(label)] += blocks.weights(index / LANES)[index % LANES] as u64;
    }
    // The drawn points are points of the data, so they are valid points.
    match Points::weighted(&drawn, &weights, dimensions, threads) {
        Ok(candidates) if candidates.len() >= k => {
            let identity = Scaling {
                log: false,
                means: vec![0.0; dimensions],
                deviations: vec![1.0; dimensions],
                // The starts have no tolerance.
                variance: 0.0,
            };
            plus_plus(&Blocks::new(&candidates, &identity, threads), k, seed, threads)
        }
        // Fewer distinct points drawn than clusters asked for.
        _ => plus_plus(blocks, k, seed, threads),
    }
}

/// How far every point is from the nearest of the points picked so far.
struct Covered<'a> {
    blocks: &'a Blocks,
    threads: usize,
    chunks: Vec<CoveredChunk>,
}

struct CoveredChunk {
    first: usize,
    /// Squared distances, (blocks, lanes); infinite before the first pick.
    squares: Vec<Lanes>,
    /// Largest squared distance per block.
    largest: Vec<f64>,
    /// Sum of weight × squared distance per block; of weights before the first pick.
    potentials: Vec<f64>,
    potential: f64,
}

impl<'a> Covered<'a> {
    fn new(blocks: &'a Blocks, threads: usize) -> Self {
        let chunks = (0..blocks.len())
            .step_by(CHUNK)
            .map(|first| {
                let range = first..blocks.len().min(first + CHUNK);
                let potentials: Vec<f64> = range.clone().map(|block| blocks.sums(block)[0]).collect();
                CoveredChunk {
                    first,
                    squares: vec![[f64::INFINITY; LANES]; range.len()],
                    largest: vec![f64::INFINITY; range.len()],
                    potential: potentials.iter().sum(),
                    potentials,
                }
            })
            .collect();
        Self {
            blocks,
            threads,
            chunks,
        }
    }

    /// The point in which the share `uniform`, in [0, 1), of the potential is reached.
    fn draw(&self, uniform: f64) -> Vec<f64> {
        let total: f64 = self.chunks.iter().map(|chunk| chunk.potential).sum();
        let mut rest = uniform * total;
        let chunk = descend(&mut rest, self.chunks.iter().map(|chunk| chunk.potential));
        let chunk = &self.chunks[chunk];
        let index = descend(&mut rest, chunk.potentials.iter().copied());
        let block = chunk.first + index;
        let squares = &chunk.squares[index];
        let lane = descend(
            &mut rest,
            self.blocks
                .weights(block)
                .iter()
                .zip(squares)
                .map(|(weight, square)| share(*weight, *square)),
        );
        self.blocks.values(block).iter().map(|lanes| lanes[lane]).collect()
    }

    /// The points for which a number in [0, 1) lies below `expected` × their
    /// share of the potential; about `expected` points in all.
    fn draw_each(&self, expected: f64, uniform: impl Fn(usize) -> f64 + Sync) -> Vec<Vec<f64>> {
        let total: f64 = self.chunks.iter().map(|chunk| chunk.potential).sum();
        let parts = parallel::map(self.threads, self.chunks.len(), |chunk| {
            let chunk = &self.chunks[chunk];
            let mut chosen = Vec::new();
            for (offset, squares) in chunk.squares.iter().enumerate() {
                let block = chunk.first + offset;
                for (lane, weight) in self.blocks.weights(block).iter().enumerate() {
                    let share = share(*weight, squares[lane]) / total;
                    let index = block * LANES + lane;
                    if share > 0.0 && uniform(index) < expected * share {
                        chosen.push(self.blocks.point(index));
                    }
                }
            }
            chosen
        });
        parts.into_iter().flatten().collect()
    }

    /// The potential that would be left after picking each of `candidates`.
    fn potentials_with(&mut self, candidates: &[Vec<f64>]) -> Vec<f64> {
        let blocks = self.blocks;
        let chunks = &self.chunks;
        let parts = parallel::map(self.threads, chunks.len(), |chunk| {
            dispatch::run(PotentialsWith {
                chunk: &chunks[chunk],
                blocks,
                candidates,
            })
        });
        let mut totals = vec![0.0; candidates.len()];
        for part in parts {
            for (total, part) in totals.iter_mut().zip(part) {
                *total += part;
            }
        }
        totals
    }

    /// Adds a point to those picked.
    fn add(&mut self, place: &[f64]) {
        let blocks = self.blocks;
        parallel::for_each(self.threads, &mut self.chunks, |_, chunk| {
            dispatch::run(Add { chunk, blocks, place });
        });
    }
}

/// The potentials of one chunk.
struct PotentialsWith<'a> {
    chunk: &'a CoveredChunk,
    blocks: &'a Blocks,
    candidates: &'a [Vec<f64>],
}

impl Kernel for PotentialsWith<'_> {
    type Output = Vec<f64>;

    #[inline(always)]
    fn run(self) -> Vec<f64> {
        self.chunk.potentials_with(self.blocks, self.candidates)
    }
}

/// A point more, for one chunk.
struct Add<'a> {
    chunk: &'a mut CoveredChunk,
    blocks: &'a Blocks,
    place: &'a [f64],
}

impl Kernel for Add<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        self.chunk.add(self.blocks, self.place);
    }
}

impl CoveredChunk {
    /// Whether no point of the block is nearer to `place` than to the points
    /// picked so far: the triangle inequality on the block's ball.
    #[inline(always)]
    fn out_of_reach(&self, blocks: &Blocks, index: usize, place: &[f64]) -> bool {
        let block = self.first + index;
        let distance = squared_distance(blocks.centre(block), place).sqrt() * (1.0 - SLACK);
        let closest = (distance - blocks.radius(block)).max(0.0);
        closest * closest > self.largest[index] * (1.0 + SLACK)
    }

    #[inline(always)]
    #[expect(
        clippy::needless_range_loop,
        reason = "one index into arrays of one length vectorises"
    )]
    fn potentials_with(&self, blocks: &Blocks, candidates: &[Vec<f64>]) -> Vec<f64> {
        let mut totals = vec![0.0; candidates.len()];
        for index in 0..self.potentials.len() {
            let block = self.first + index;
            for (total, place) in totals.iter_mut().zip(candidates) {
                if self.out_of_reach(blocks, index, place) {
                    *total += self.potentials[index];
                    continue;
                }
                let mut squares = squared_distances(blocks.values(block), place);
                for lane in 0..LANES {
                    let before = self.squares[index][lane];
                    let nearer = if squares[lane] < before { squares[lane] } else { before };
                    squares[lane] = nearer * blocks.weights(block)[lane];
                }
                *total += sum(&squares);
            }
        }
        totals
    }

    #[inline(always)]
    fn add(&mut self, blocks: &Blocks, place: &[f64]) {
        for index in 0..self.potentials.len() {
            if self.out_of_reach(blocks, index, place) {
                continue;
            }
            let block = self.first + index;
            let squares = squared_distances(blocks.values(block), place);
            let nearest = &mut self.squares[index];
            let mut weighted = [0.0; LANES];
            for lane in 0..LANES {
                nearest[lane] = if squares[lane] < nearest[lane] {
                    squares[lane]
                } else {
                    nearest[lane]
                };
                weighted[lane] = nearest[lane] * blocks.weights(block)[lane];
            }
            self.largest[index] = nearest.iter().copied().fold(0.0, |a, b| if b > a { b } else { a });
            self.potentials[index] = sum(&weighted);
        }
        self.potential = self.potentials.iter().sum();
    }
}

/// A point's share of the potential; before the first pick its weight.
fn share(weight: f64, square: f64) -> f64 {
    if square.is_infinite() { weight } else { weight * square }
}

/// The position in `parts` in which the running sum passes `rest`, and what is
/// left of `rest` there. Where rounding leaves a rest at the end, the last part
/// that is not zero.
fn descend(rest: &mut f64, parts: impl Iterator<Item = f64>) -> usize {
    let mut last = 0;
    for (position, part) in parts.enumerate() {
        if part > 0.0 {
            if *rest < part {
                return position;
            }
            last = position;
            *rest -= part;
        }
    }
    // The whole of the last part is left to the next level.
    *rest = f64::MAX;
    last
}
