//! What a network is: cell, sizes, and the place of every parameter in one flat list.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::random::Random;

/// The recurrent cell, with the equations and the gate order of PyTorch.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Cell {
    /// Elman network with tanh (Elman 1990).
    Rnn,
    /// Gated recurrent unit (Cho et al. 2014); gates r, z, n, with the bias of the
    /// recurrent part of n inside the product with r.
    Gru,
    /// Long short-term memory (Hochreiter and Schmidhuber 1997; forget gate by Gers
    /// et al. 2000); gates i, f, g, o.
    Lstm,
}

impl Cell {
    /// Rows of a weight matrix per hidden unit.
    pub fn gates(self) -> usize {
        match self {
            Cell::Rnn => 1,
            Cell::Gru => 3,
            Cell::Lstm => 4,
        }
    }

    /// Floats carried from step to step per hidden unit: h, and c for the LSTM.
    pub fn states(self) -> usize {
        match self {
            Cell::Rnn | Cell::Gru => 1,
            Cell::Lstm => 2,
        }
    }
}

/// Cell and sizes: with a parameter list of [`Architecture::n_parameters`] floats,
/// everything that is needed to predict.
///
/// embedding (V, E) → `layers` recurrent layers of `hidden` units → head (V, H) → softmax.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub struct Architecture {
    /// What a unit of a recurrent layer is.
    pub cell: Cell,
    /// V, the number of different tokens.
    pub vocabulary: usize,
    /// E, the width of the embedding.
    pub embedding: usize,
    /// H, the units of each recurrent layer.
    pub hidden: usize,
    /// Recurrent layers, one above the other.
    pub layers: usize,
    /// Probability that an output of a layer (every layer but the last) is zeroed
    /// in training; the kept ones are divided by 1 - dropout. In [0, 1).
    pub dropout: f32,
}

/// One named tensor and its place in the flat parameter list.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Slot {
    /// PyTorch's name, such as `rnn.weight_hh_l0`.
    pub name: String,
    /// Row-major.
    pub shape: Vec<usize>,
    /// Where its numbers stand.
    pub range: Range<usize>,
}

/// The places of one recurrent layer's tensors.
#[derive(Clone, Debug)]
pub(crate) struct LayerRanges {
    pub weight_ih: Range<usize>,
    pub weight_hh: Range<usize>,
    pub bias_ih: Range<usize>,
    pub bias_hh: Range<usize>,
}

/// The places of all tensors, by role.
#[derive(Clone, Debug)]
pub(crate) struct Ranges {
    pub embedding: Range<usize>,
    pub layers: Vec<LayerRanges>,
    pub head_weight: Range<usize>,
    pub head_bias: Range<usize>,
}

impl Architecture {
    /// Inputs of layer `layer`: E for the first, H for the others.
    pub fn inputs(&self, layer: usize) -> usize {
        if layer == 0 { self.embedding } else { self.hidden }
    }

    /// Floats of the state of one sequence: layer by layer h, and for the LSTM then c.
    pub fn n_state(&self) -> usize {
        self.layers * self.cell.states() * self.hidden
    }

    /// Number of trained parameters.
    pub fn n_parameters(&self) -> usize {
        self.slots().last().map_or(0, |slot| slot.range.end)
    }

    /// Every tensor in its fixed order: `embedding.weight` (V, E); for each layer k
    /// `rnn.weight_ih_l{k}` (G·H, inputs), `rnn.weight_hh_l{k}` (G·H, H),
    /// `rnn.bias_ih_l{k}` and `rnn.bias_hh_l{k}` (G·H); `head.weight` (V, H) and
    /// `head.bias` (V).
    pub fn slots(&self) -> Vec<Slot> {
        let mut slots = Vec::with_capacity(4 * self.layers + 3);
        let mut end = 0;
        let mut add = |name: String, shape: Vec<usize>| {
            let start = end;
            end += shape.iter().product::<usize>();
            slots.push(Slot {
                name,
                shape,
                range: start..end,
            });
        };
        let gate_rows = self.cell.gates() * self.hidden;
        add("embedding.weight".into(), vec![self.vocabulary, self.embedding]);
        for k in 0..self.layers {
            add(format!("rnn.weight_ih_l{k}"), vec![gate_rows, self.inputs(k)]);
            add(format!("rnn.weight_hh_l{k}"), vec![gate_rows, self.hidden]);
            add(format!("rnn.bias_ih_l{k}"), vec![gate_rows]);
            add(format!("rnn.bias_hh_l{k}"), vec![gate_rows]);
        }
        add("head.weight".into(), vec![self.vocabulary, self.hidden]);
        add("head.bias".into(), vec![self.vocabulary]);
        slots
    }

    /// The same places as [`Architecture::slots`], by role instead of by name.
    pub(crate) fn ranges(&self) -> Ranges {
        let mut ranges = self.slots().into_iter().map(|slot| slot.range);
        // `slots` always holds 4·layers + 3 tensors, so no default is ever used.
        let mut next = || ranges.next().unwrap_or_default();
        Ranges {
            embedding: next(),
            layers: (0..self.layers)
                .map(|_| LayerRanges {
                    weight_ih: next(),
                    weight_hh: next(),
                    bias_ih: next(),
                    bias_hh: next(),
                })
                .collect(),
            head_weight: next(),
            head_bias: next(),
        }
    }

    /// Start weights with PyTorch's default distributions: the embedding standard
    /// normal, all else uniform in ±1/√H.
    pub fn initial_parameters(&self, seed: u64) -> Vec<f32> {
        let mut random = Random::for_purpose(seed, "weights");
        let n_embedding = self.vocabulary * self.embedding;
        let bound = 1.0 / (self.hidden as f64).sqrt();
        (0..self.n_parameters())
            .map(|index| {
                if index < n_embedding {
                    random.normal() as f32
                } else {
                    ((2.0 * random.uniform() - 1.0) * bound) as f32
                }
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lstm() -> Architecture {
        Architecture {
            cell: Cell::Lstm,
            vocabulary: 5,
            embedding: 3,
            hidden: 4,
            layers: 2,
            dropout: 0.0,
        }
    }

    #[test]
    fn slots_follow_each_other_under_pytorch_names() {
        let slots = lstm().slots();
        let names: Vec<&str> = slots.iter().map(|slot| slot.name.as_str()).collect();
        assert_eq!(
            names,
            [
                "embedding.weight",
                "rnn.weight_ih_l0",
                "rnn.weight_hh_l0",
                "rnn.bias_ih_l0",
                "rnn.bias_hh_l0",
                "rnn.weight_ih_l1",
                "rnn.weight_hh_l1",
                "rnn.bias_ih_l1",
                "rnn.bias_hh_l1",
                "head.weight",
                "head.bias"
            ]
        );
        assert_eq!(slots[1].shape, [16, 3]);
        assert_eq!(slots[5].shape, [16, 4]);
        let mut end = 0;
        for slot in &slots {
            assert_eq!(slot.range.start, end);
            assert_eq!(slot.range.len(), slot.shape.iter().product::<usize>());
            end = slot.range.end;
        }
        // 5·3 + (16·3 + 16·4 + 2·16) + (16·4 + 16·4 + 2·16) + 5·4 + 5
        assert_eq!(end, 344);
        assert_eq!(lstm().n_parameters(), 344);
        assert_eq!(lstm().ranges().head_bias, 339..344);
        assert_eq!(lstm().ranges().layers[1].weight_hh, slots[6].range);
    }

    #[test]
    fn start_weights_have_pytorch_distributions() {
        let architecture = Architecture {
            hidden: 100,
            embedding: 400,
            ..lstm()
        };
        let parameters = architecture.initial_parameters(1);
        let (embedding, rest) = parameters.split_at(2000);
        let square = embedding.iter().map(|x| x * x).sum::<f32>() / 2000.0;
        assert!((square - 1.0).abs() < 0.16, "{square}");
        // Uniform in ±0.1: variance 0.01 / 3.
        let largest = rest.iter().fold(0f32, |a, x| a.max(x.abs()));
        let square = rest.iter().map(|x| x * x).sum::<f32>() / rest.len() as f32;
        assert!(largest <= 0.1 && largest > 0.0999, "{largest}");
        assert!((square * 300.0 - 1.0).abs() < 0.02, "{square}");
        assert_eq!(parameters, architecture.initial_parameters(1));
        assert_ne!(parameters, architecture.initial_parameters(2));
    }

    #[test]
    fn cells_are_written_in_lower_case() {
        assert_eq!(serde_json::to_string(&lstm().cell).unwrap(), "\"lstm\"");
        assert_eq!(serde_json::from_str::<Cell>("\"gru\"").unwrap(), Cell::Gru);
    }
}
