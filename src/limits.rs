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
/// Most entries of a vocabulary: so many are read in a tenth of a second.
pub const MAX_ENTRIES: usize = 1 << 24;
/// Most actions of a model of the next one. Its reports hold a number for every pair of actions, and its baselines a
/// row of all actions for every run of three that occurs: with 254 half a megabyte, and a kilobyte for each run.
pub const MAX_ACTIONS: usize = 254;
/// Most bytes of all names of such a model together, so that JSON that holds them is soon read.
pub const MAX_NAME_BYTES: usize = 1 << 21;
/// Most tokens of a network: its head and its first layer hold a row of weights for each.
pub const MAX_OUTPUTS: usize = 1 << 16;
/// Most units of a layer, or numbers of an embedding.
pub const MAX_WIDTH: usize = 1 << 14;
/// Most layers of a network.
pub const MAX_LAYERS: usize = 64;
/// Most items of a list that is shown, and most rules of an item.
pub const MAX_LIST: usize = 10_000;
/// Most events behind an item that a rule looks at.
pub const MAX_WINDOW: usize = 1000;
