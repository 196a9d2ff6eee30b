//! How large things may be; each limit stands here once.

/// Largest number of clusters.
pub const MAX_CLUSTERS: usize = 10_000;
/// Largest number of components of a mixture.
pub const MAX_COMPONENTS: usize = 1000;
/// Most coordinates of a point of a mixture: covariances grow with their square.
pub const MAX_DIMENSIONS: usize = 100;
/// Most neighbours that an outlier is compared with.
pub const MAX_NEIGHBOURS: usize = 1000;
/// Most steps of a funnel.
pub const MAX_STEPS: usize = 8;
/// Most actions of a vocabulary: a token fits a byte, and n-grams of four tokens with "none" as one more kind of slot fit 32 bits.
pub const MAX_ACTIONS: usize = 254;
/// Most bytes of all names of a vocabulary together, so that what holds one is soon read.
pub const MAX_NAME_BYTES: usize = 1 << 21;
/// Most units of a layer, or numbers of an embedding.
pub const MAX_WIDTH: usize = 1 << 14;
/// Most layers of a network.
pub const MAX_LAYERS: usize = 64;
