//! Networks that were trained elsewhere, as a `.safetensors` file with the names that [`Architecture::slots`] has.

use crate::baseline::Counts;
use crate::baseline::own_history::Weights;
use crate::error::Error;
use crate::format::{File, Format};
use crate::limits::{MAX_LAYERS, MAX_WIDTH};
use crate::model::{LARGEST_WEIGHT, Model, Split, SplitBy, Training, are_sound};
use crate::network::{Architecture, Cell};
use crate::sequence::{Token, Vocabulary};
use safetensors::tensor::{Dtype, TensorView};

/// Any `.safetensors` file, whatever metadata it has.
const FILE: Format = Format {
    argument: "weights",
    key: "",
    version: 0,
};

/// The network in a file, for actions that stand in the order of the rows of its embedding and its head.
///
/// Every tensor must be there, of F32, in the shape that the others ask for, and none that is unknown. The cell is told
/// by the rows of `rnn.weight_hh_l0` for each hidden unit: 1 for an RNN with tanh, 3 for a GRU, 4 for an LSTM.
///
/// # Errors
/// [`Error::Argument`] or [`Error::Damaged`] with the tensor, what it is and what it should be, or with the vocabulary.
pub fn from_safetensors(bytes: &[u8], actions: &[String]) -> Result<Model, Error> {
    let file = FILE.file(bytes)?;
    let vocabulary = vocabulary(actions)?;
    let architecture = architecture(&file, &vocabulary)?;
    check_names(&file, &architecture)?;
    let place = |name: &String| vocabulary.find(name.as_bytes()).map_or(0, Token::index);
    let places: Vec<usize> = actions.iter().map(place).collect();
    let mut parameters = vec![0.0; architecture.n_parameters()];
    for slot in architecture.slots() {
        let values = floats(&tensor(&file, &slot.name, &slot.shape)?);
        let slots = &mut parameters[slot.range];
        if slot.name.starts_with("rnn.") {
            slots.copy_from_slice(&values);
        } else {
            // One row for each action, which stands elsewhere in our order.
            let width = values.len() / places.len();
            for (row, &place) in values.chunks_exact(width).zip(&places) {
                slots[place * width..][..width].copy_from_slice(row);
            }
        }
    }
    if !are_sound(&parameters) {
        let reason = format!("it has weights beyond ±{LARGEST_WEIGHT:e} or that are no number");
        return Err(FILE.damaged(reason));
    }
    Ok(Model {
        architecture,
        counts: Counts::of(vocabulary.len(), std::iter::empty()),
        vocabulary,
        parameters,
        own_history: Weights::default(),
        training: trained_elsewhere(),
    })
}

fn trained_elsewhere() -> Training {
    Training {
        epochs: 0,
        settings: serde_json::json!({"weights": "from_safetensors"}),
        seed: 0,
        device: "elsewhere".into(),
        validation: 0.0,
        n_train_targets: 0,
        n_validation_targets: 0,
        train_loss: None,
        validation_loss: None,
        validation_accuracy: None,
        validation_auc: None,
        split: Some(Split {
            by: SplitBy::Unknown,
            validation_from: None,
            n_held_out: 0,
            fingerprint: String::new(),
        }),
        history: Vec::new(),
    }
}

fn vocabulary(actions: &[String]) -> Result<Vocabulary, Error> {
    if actions.is_empty() {
        let allowed = "the actions in the order of the rows of embedding.weight";
        return Err(Error::argument("vocabulary", "an empty list", allowed));
    }
    let vocabulary = Vocabulary::of_actions(actions.iter().cloned()).map_err(|error| match error {
        Error::Argument { received, allowed, .. } => Error::argument("vocabulary", received, allowed),
        other => other,
    })?;
    if vocabulary.len() == actions.len() {
        return Ok(vocabulary);
    }
    let twice = actions
        .iter()
        .enumerate()
        .find(|(at, name)| actions[..*at].contains(name));
    let received = twice.map_or(String::new(), |(_, name)| format!("a list that holds '{name}' twice"));
    Err(Error::argument(
        "vocabulary",
        received,
        "each action once, in the order of the rows of embedding.weight",
    ))
}

/// Cell and sizes, as three tensors tell them.
fn architecture(file: &File, vocabulary: &Vocabulary) -> Result<Architecture, Error> {
    let embedding = matrix(file, "embedding.weight")?;
    let recurrent = matrix(file, "rnn.weight_hh_l0")?;
    let cell = match recurrent {
        [rows, hidden] if hidden > 0 && rows == hidden => Cell::Rnn,
        [rows, hidden] if hidden > 0 && rows == 3 * hidden => Cell::Gru,
        [rows, hidden] if hidden > 0 && rows == 4 * hidden => Cell::Lstm,
        shape => {
            let reason = "allowed: 1, 3 or 4 rows for each column, those of an RNN, a GRU or an LSTM";
            return Err(FILE.damaged(format!("tensor 'rnn.weight_hh_l0' has shape {shape:?}; {reason}")));
        }
    };
    let layers = (0..)
        .take_while(|layer| file.holds(&format!("rnn.weight_hh_l{layer}")))
        .count();
    for (what, found, most) in [
        ("hidden units", recurrent[1], MAX_WIDTH),
        ("columns in its embedding", embedding[1], MAX_WIDTH),
        ("layers", layers, MAX_LAYERS),
    ] {
        if !(1..=most).contains(&found) {
            return Err(FILE.damaged(format!("it has {found} {what}; allowed: 1 to {most}")));
        }
    }
    if embedding[0] != vocabulary.len() {
        let received = format!("a list of {} actions", vocabulary.len());
        let allowed = format!("{}, one for each row of embedding.weight", embedding[0]);
        return Err(Error::argument("vocabulary", received, allowed));
    }
    Ok(Architecture {
        cell,
        vocabulary: vocabulary.len(),
        embedding: embedding[1],
        hidden: recurrent[1],
        layers,
        dropout: 0.0,
    })
}

/// What is not known is not left out: a network with a part more is another network.
fn check_names(file: &File, architecture: &Architecture) -> Result<(), Error> {
    let slots = architecture.slots();
    let mut foreign: Vec<String> = file
        .names()
        .filter(|name| slots.iter().all(|slot| slot.name != *name))
        .collect();
    foreign.sort_unstable();
    match foreign.first() {
        None => Ok(()),
        Some(name) => {
            let known: Vec<&str> = slots.iter().map(|slot| slot.name.as_str()).collect();
            let name = name.chars().take(100).collect::<String>();
            Err(FILE.damaged(format!("it holds tensor '{name}'; allowed: {}", known.join(", "))))
        }
    }
}

fn matrix(file: &File, name: &str) -> Result<[usize; 2], Error> {
    let view = FILE.tensor(file, name, Dtype::F32)?;
    view.shape().try_into().map_err(|_| {
        FILE.damaged(format!(
            "tensor '{name}' has shape {:?} instead of two dimensions",
            view.shape()
        ))
    })
}

fn tensor<'a>(file: &File<'a>, name: &str, shape: &[usize]) -> Result<TensorView<'a>, Error> {
    let view = FILE.tensor(file, name, Dtype::F32)?;
    if view.shape() == shape {
        return Ok(view);
    }
    Err(FILE.damaged(format!(
        "tensor '{name}' has shape {:?} instead of {shape:?}",
        view.shape()
    )))
}

fn floats(view: &TensorView) -> Vec<f32> {
    let (words, _) = view.data().as_chunks();
    words.iter().map(|&word| f32::from_le_bytes(word)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn actions(names: &[&str]) -> Vec<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    /// A file of the tensors of an LSTM of two actions, one unit and one layer, but for what `change` does to them.
    fn file(change: impl Fn(&mut Vec<(String, Vec<usize>, Vec<f32>)>)) -> Vec<u8> {
        let architecture = Architecture {
            cell: Cell::Lstm,
            vocabulary: 2,
            embedding: 3,
            hidden: 1,
            layers: 1,
            dropout: 0.0,
        };
        let numbers: Vec<f32> = (0..architecture.n_parameters()).map(|number| number as f32).collect();
        let slots = architecture.slots().into_iter();
        let mut tensors: Vec<_> = slots
            .map(|slot| (slot.name, slot.shape, numbers[slot.range].to_vec()))
            .collect();
        change(&mut tensors);
        let bytes: Vec<Vec<u8>> = tensors
            .iter()
            .map(|(.., numbers)| numbers.iter().flat_map(|number| number.to_le_bytes()).collect())
            .collect();
        let views = tensors.iter().zip(&bytes);
        let views =
            views.map(|((name, shape, _), bytes)| (name, TensorView::new(Dtype::F32, shape.clone(), bytes).unwrap()));
        safetensors::serialize(views, None).unwrap()
    }

    #[test]
    fn rows_of_actions_go_to_their_tokens() {
        let bytes = file(|_| {});
        let model = from_safetensors(&bytes, &actions(&["pv", "buy"])).unwrap();
        assert_eq!(model.vocabulary.names().collect::<Vec<_>>(), ["buy", "pv"]);
        assert_eq!(model.architecture.cell, Cell::Lstm);
        let ranges = model.architecture.ranges();
        // As given 0, 1, 2 for pv and 3, 4, 5 for buy.
        assert_eq!(model.parameters[ranges.embedding], [3.0, 4.0, 5.0, 0.0, 1.0, 2.0]);
        let [weight, bias] = [&ranges.head_weight, &ranges.head_bias].map(|range| &model.parameters[range.clone()]);
        assert!(weight[0] == weight[1] + 1.0 && bias[0] == bias[1] + 1.0);
        let sorted = from_safetensors(&bytes, &actions(&["buy", "pv"])).unwrap();
        let recurrent = ranges.layers[0].weight_ih.start..ranges.head_weight.start;
        assert_eq!(sorted.parameters[recurrent.clone()], model.parameters[recurrent]);
        assert_eq!(Model::from_bytes(&model.to_bytes(None).unwrap()).unwrap(), model);
    }

    #[test]
    fn what_does_not_fit_is_named() {
        type Tensors = Vec<(String, Vec<usize>, Vec<f32>)>;
        let refused = |change: &dyn Fn(&mut Tensors), names: &[&str], words: &str| {
            let error = from_safetensors(&file(change), &actions(names))
                .unwrap_err()
                .to_string();
            assert!(error.contains(words), "{error}");
        };
        let two = &["pv", "buy"];
        refused(&|_| {}, &["pv"], "'vocabulary' is a list of 1 actions; allowed: 2");
        refused(&|_| {}, &["pv", "pv"], "holds 'pv' twice");
        refused(&|_| {}, &[], "'vocabulary' is an empty list; allowed: the actions");
        refused(&|tensors| tensors.truncate(6), two, "tensor 'head.bias' is missing");
        refused(
            &|tensors| tensors[0].0 = "emb.weight".into(),
            two,
            "tensor 'embedding.weight' is missing",
        );
        let extra = |tensors: &mut Tensors| tensors.push(("rnn.weight_hh_l0_reverse".into(), vec![1], vec![0.0]));
        refused(&extra, two, "it holds tensor 'rnn.weight_hh_l0_reverse'");
        refused(
            &|tensors| tensors[2].1 = vec![1, 4],
            two,
            "'rnn.weight_hh_l0' has shape [1, 4]; allowed",
        );
        // Two rows for two columns are an RNN's, but those of the other tensors are not.
        refused(
            &|tensors| tensors[2].1 = vec![2, 2],
            two,
            "'rnn.weight_ih_l0' has shape [4, 3] instead of [2, 3]",
        );
        refused(&|tensors| tensors[2].1 = vec![4], two, "instead of two dimensions");
        refused(
            &|tensors| tensors[3].1 = vec![2, 2],
            two,
            "'rnn.bias_ih_l0' has shape [2, 2] instead of [4]",
        );
        refused(&|tensors| tensors[6].2[0] = f32::NAN, two, "no number");
        refused(&|tensors| tensors[6].2[0] = 1e30, two, "no number");
        let error = from_safetensors(b"nothing", &actions(two)).unwrap_err().to_string();
        assert!(
            error.starts_with("argument 'weights' is not a footfall network: it is not a complete"),
            "{error}"
        );
    }
}
