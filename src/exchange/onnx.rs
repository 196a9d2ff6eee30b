//! Models as ONNX graphs (<https://onnx.ai/onnx/repo-docs/IR.html>, operators of version 17), for ONNX Runtime and
//! whatever else reads them.

use super::protobuf::Message;
use crate::baseline::{Baseline, Predictor};
use crate::error::Error;
use crate::model::Model;
use crate::network::Cell;
use crate::propensity::model::PropensityModel;
use crate::segment::kmeans::model::Assigner;
use crate::sequence::Tokens;
use std::borrow::Cow;

/// The version of the file format, and of the operators' set.
const IR_VERSION: i64 = 8;
const OPSET: i64 = 17;
/// A message of Protocol Buffers is read up to so many bytes.
const LARGEST: usize = i32::MAX as usize;
/// Beside the tensors a graph is names and numbers, and each layer has a few of them.
const REST: usize = 1 << 20;

/// Types of elements, as `TensorProto` numbers them.
#[derive(Clone, Copy)]
enum Element {
    Float = 1,
    Int32 = 6,
    Int64 = 7,
    Double = 11,
}

/// A graph under construction; tensors and nodes are named by what they hold.
#[derive(Default)]
struct Graph {
    message: Message,
}

impl Graph {
    fn add(&mut self, field: u64, message: Message) {
        self.message = std::mem::take(&mut self.message).message(field, message);
    }

    /// A constant tensor.
    fn tensor(&mut self, name: &str, element: Element, shape: &[usize], bytes: impl AsRef<[u8]>) {
        let tensor = Message::default()
            .repeated(shape, |message, &size| message.integer(1, size as i64))
            .integer(2, element as i64)
            .bytes(8, name)
            .bytes(9, bytes);
        self.add(5, tensor);
    }

    fn floats(&mut self, name: &str, shape: &[usize], values: impl Iterator<Item = f32>) {
        self.tensor(name, Element::Float, shape, bytes_of(values, f32::to_le_bytes));
    }

    fn doubles(&mut self, name: &str, shape: &[usize], values: &[f64]) {
        self.tensor(
            name,
            Element::Double,
            shape,
            bytes_of(values.iter().copied(), f64::to_le_bytes),
        );
    }

    /// A row of whole numbers, such as the axes of an operator.
    fn axes(&mut self, name: &str, values: &[i64]) {
        let bytes = bytes_of(values.iter().copied(), i64::to_le_bytes);
        self.tensor(name, Element::Int64, &[values.len()], bytes);
    }

    /// An operator, its inputs (empty for one left out), its outputs and its attributes.
    fn node(
        &mut self,
        operator: &str,
        inputs: &[&str],
        outputs: &[&str],
        attributes: impl IntoIterator<Item = Message>,
    ) {
        let node = Message::default()
            .repeated(inputs, |message, name| message.bytes(1, name))
            .repeated(outputs, |message, name| message.bytes(2, name))
            .bytes(3, outputs.iter().find(|name| !name.is_empty()).unwrap_or(&operator))
            .bytes(4, operator)
            .repeated(attributes, |message, attribute| message.message(5, attribute));
        self.add(1, node);
    }

    fn input(&mut self, name: &str, element: Element, shape: &[Size]) {
        self.add(11, value_info(name, element, shape));
    }

    fn output(&mut self, name: &str, element: Element, shape: &[Size]) {
        self.add(12, value_info(name, element, shape));
    }

    /// The file, with what a reader must know beside the graph.
    fn into_bytes(self, name: &str, about: &str, metadata: &[(&str, String)]) -> Vec<u8> {
        let opset = Message::default().bytes(1, "").integer(2, OPSET);
        let model = Message::default()
            .integer(1, IR_VERSION)
            .bytes(2, "footfall")
            .bytes(3, env!("CARGO_PKG_VERSION"))
            .bytes(6, about)
            .message(7, self.message.bytes(2, name))
            .message(8, opset)
            .repeated(metadata, |message, (key, value)| {
                message.message(14, Message::default().bytes(1, key).bytes(2, value))
            });
        model.into_bytes()
    }
}

/// The extent of a dimension: known, or a name for what is known when the graph runs.
enum Size {
    Known(usize),
    Named(&'static str),
}

fn value_info(name: &str, element: Element, shape: &[Size]) -> Message {
    let shape = Message::default().repeated(shape, |message, size| {
        let dimension = match size {
            Size::Known(size) => Message::default().integer(1, *size as i64),
            Size::Named(name) => Message::default().bytes(2, name),
        };
        message.message(1, dimension)
    });
    let tensor = Message::default().integer(1, element as i64).message(2, shape);
    Message::default()
        .bytes(1, name)
        .message(2, Message::default().message(1, tensor))
}

fn integer(name: &str, value: i64) -> Message {
    const INT: i64 = 2;
    Message::default().bytes(1, name).integer(3, value).integer(20, INT)
}

fn integers(name: &str, values: &[i64]) -> Message {
    const INTS: i64 = 7;
    Message::default()
        .bytes(1, name)
        .repeated(values, |message, &value| message.integer(8, value))
        .integer(20, INTS)
}

fn bytes_of<T, const N: usize>(values: impl Iterator<Item = T>, to_bytes: fn(T) -> [u8; N]) -> Vec<u8> {
    values.flat_map(to_bytes).collect()
}

/// A network of the next action. Inputs: `tokens` INT64 (batch, steps), the places of the actions in the metadata's
/// `vocabulary`, from 0, oldest first, whatever is behind a history's end; `lengths` INT32 (batch). Output:
/// `probabilities` FLOAT (batch, vocabulary) of the action that comes next, after an empty history the training
/// frequencies.
///
/// # Errors
/// [`Error::Argument`] for a model of more bytes than a message of Protocol Buffers has.
pub fn network(model: &Model) -> Result<Vec<u8>, Error> {
    let n_bytes = size_of_val(&model.parameters[..]);
    if n_bytes > LARGEST - REST {
        let allowed = "models of less than 2 GiB, which is what an ONNX file holds";
        return Err(Error::argument("model", format!("one of {n_bytes} bytes"), allowed));
    }
    let n_actions = model.vocabulary.len();
    let batch = || Size::Named("batch");
    let mut graph = Graph::default();
    graph.input("tokens", Element::Int64, &[batch(), Size::Named("steps")]);
    graph.input("lengths", Element::Int32, &[batch()]);
    graph.output("probabilities", Element::Float, &[batch(), Size::Known(n_actions)]);
    add_body(&mut graph, model);
    add_head(&mut graph, model);
    let vocabulary: Vec<Cow<str>> = model.vocabulary.names().collect();
    let metadata = [("vocabulary", serde_json::json!(vocabulary).to_string())];
    Ok(graph.into_bytes(
        "next_action",
        "the next action of a user after a history of actions",
        &metadata,
    ))
}

/// From the tokens to the state of the last layer after each history, `state` (1, batch, H).
fn add_body(graph: &mut Graph, model: &Model) {
    let architecture = &model.architecture;
    let (hidden, cell) = (architecture.hidden, architecture.cell);
    let gate_rows = cell.gates() * hidden;
    let ranges = architecture.ranges();
    let embedding = [architecture.vocabulary, architecture.embedding];
    graph.floats(
        "embedding",
        &embedding,
        model.parameters[ranges.embedding].iter().copied(),
    );
    graph.tensor("one", Element::Int32, &[1], 1_i32.to_le_bytes());
    graph.axes("direction", &[1]);
    // The operators take no history without a step; what comes out for one is replaced.
    graph.node("Max", &["lengths", "one"], &["some_lengths"], []);
    graph.node("Transpose", &["tokens"], &["steps_first"], [integers("perm", &[1, 0])]);
    graph.node("Gather", &["embedding", "steps_first"], &["inputs_0"], []);
    let operator = match cell {
        Cell::Rnn => "RNN",
        Cell::Gru => "GRU",
        Cell::Lstm => "LSTM",
    };
    for (layer, ranges) in ranges.layers.into_iter().enumerate() {
        let named = |name: &str| format!("{name}_{layer}");
        let gates = |range: std::ops::Range<usize>| in_order(cell, &model.parameters[range], hidden);
        let (input, recurrent, bias) = (named("input_weights"), named("recurrent_weights"), named("biases"));
        graph.floats(
            &input,
            &[1, gate_rows, architecture.inputs(layer)],
            gates(ranges.weight_ih),
        );
        graph.floats(&recurrent, &[1, gate_rows, hidden], gates(ranges.weight_hh));
        let biases = gates(ranges.bias_ih).chain(gates(ranges.bias_hh));
        graph.floats(&bias, &[1, 2 * gate_rows], biases);
        let inputs = [&*named("inputs"), &input, &recurrent, &bias, "some_lengths"];
        let mut attributes = vec![integer("hidden_size", hidden as i64)];
        if cell == Cell::Gru {
            // PyTorch has the bias of the recurrent part inside the product with the reset gate.
            attributes.push(integer("linear_before_reset", 1));
        }
        let is_last = layer + 1 == architecture.layers;
        if is_last {
            graph.node(operator, &inputs, &["", "state"], attributes);
        } else {
            graph.node(operator, &inputs, &[&named("outputs")], attributes);
            let next = format!("inputs_{}", layer + 1);
            graph.node("Squeeze", &[&named("outputs"), "direction"], &[&next], []);
        }
    }
}

/// From the state to the probabilities.
fn add_head(graph: &mut Graph, model: &Model) {
    let architecture = &model.architecture;
    let ranges = architecture.ranges();
    let (n_actions, hidden) = (architecture.vocabulary, architecture.hidden);
    graph.floats(
        "head_weights",
        &[n_actions, hidden],
        model.parameters[ranges.head_weight].iter().copied(),
    );
    graph.floats(
        "head_biases",
        &[n_actions],
        model.parameters[ranges.head_bias].iter().copied(),
    );
    let frequencies = Predictor::new(Baseline::Majority, &model.counts);
    graph.floats(
        "frequencies",
        &[n_actions],
        frequencies.probabilities(Tokens::U8(&[])).iter().copied(),
    );
    graph.tensor("none", Element::Int32, &[1], 0_i32.to_le_bytes());
    graph.axes("layer", &[0]);
    graph.node("Squeeze", &["state", "layer"], &["last_state"], []);
    graph.node(
        "Gemm",
        &["last_state", "head_weights", "head_biases"],
        &["logits"],
        [integer("transB", 1)],
    );
    graph.node("Softmax", &["logits"], &["predicted"], [integer("axis", 1)]);
    graph.node("Equal", &["lengths", "none"], &["is_empty"], []);
    graph.node("Unsqueeze", &["is_empty", "direction"], &["is_empty_row"], []);
    graph.node(
        "Where",
        &["is_empty_row", "frequencies", "predicted"],
        &["probabilities"],
        [],
    );
}

/// The rows of a matrix or bias gate by gate as ONNX has them: of the LSTM i, o, f, g, of the GRU z, r, n.
fn in_order(cell: Cell, values: &[f32], hidden: usize) -> impl Iterator<Item = f32> + '_ {
    let order: &[usize] = match cell {
        Cell::Rnn => &[0],
        Cell::Gru => &[1, 0, 2],
        Cell::Lstm => &[0, 3, 1, 2],
    };
    let n_gate = values.len() / order.len();
    debug_assert!(n_gate.is_multiple_of(hidden));
    order
        .iter()
        .flat_map(move |&gate| values[gate * n_gate..][..n_gate].iter().copied())
}

/// A clustering. Input: `points` DOUBLE (batch, dimensions), finite, in their own units. Outputs: `cluster` INT64 (batch),
/// from 1, and `distance` DOUBLE (batch), scaled.
pub fn clustering(model: &Assigner) -> Vec<u8> {
    let (k, dimensions) = (model.k(), model.dimensions());
    let batch = || Size::Named("batch");
    let mut graph = Graph::default();
    graph.input("points", Element::Double, &[batch(), Size::Known(dimensions)]);
    graph.output("cluster", Element::Int64, &[batch()]);
    graph.output("distance", Element::Double, &[batch()]);
    graph.axes("coordinates", &[2]);
    graph.axes("places", &[1]);
    let points = if model.log() {
        add_logarithm(&mut graph, "points")
    } else {
        "points"
    };
    graph.doubles("centroids", &[k, dimensions], model.places());
    graph.doubles("factors", &[dimensions], model.factors());
    graph.axes(
        "numbers",
        &model.clusters().map(|cluster| cluster as i64 + 1).collect::<Vec<_>>(),
    );
    graph.node("Unsqueeze", &[points, "places"], &["rows"], []);
    graph.node("Sub", &["rows", "centroids"], &["differences"], []);
    graph.node("Mul", &["differences", "factors"], &["scaled"], []);
    graph.node("Mul", &["scaled", "scaled"], &["squares"], []);
    graph.node(
        "ReduceSum",
        &["squares", "coordinates"],
        &["square"],
        [integer("keepdims", 0)],
    );
    // The first of two that are equally near, as they are in order.
    graph.node(
        "ArgMin",
        &["square"],
        &["place"],
        [integer("axis", 1), integer("keepdims", 0)],
    );
    graph.node("Gather", &["numbers", "place"], &["cluster"], []);
    graph.node(
        "ReduceMin",
        &["square"],
        &["nearest"],
        [integers("axes", &[1]), integer("keepdims", 0)],
    );
    graph.node("Sqrt", &["nearest"], &["distance"], []);
    graph.into_bytes(
        "cluster",
        "the cluster of a point, from 1, and its scaled distance from the centroid",
        &[],
    )
}

/// Who does something within a horizon. Input: `features` FLOAT (batch, features), named in the metadata's `features`, in
/// their own units. Output: `probability` DOUBLE (batch).
pub fn propensity(model: &PropensityModel) -> Vec<u8> {
    let (plan, regression) = (&model.plan, &model.regression);
    let names: Vec<String> = plan.features().into_iter().map(|feature| plan.name(feature)).collect();
    let (n_features, batch) = (names.len(), || Size::Named("batch"));
    let mut graph = Graph::default();
    graph.input("features", Element::Float, &[batch(), Size::Known(n_features)]);
    graph.output("probability", Element::Double, &[batch()]);
    graph.doubles("means", &[n_features], &regression.scaling.means);
    graph.doubles("weights", &[n_features, 1], &model.raw_weights().0);
    graph.doubles("intercept", &[1], &[regression.intercept]);
    graph.axes("column", &[1]);
    graph.node(
        "Cast",
        &["features"],
        &["numbers"],
        [integer("to", Element::Double as i64)],
    );
    graph.node("Sub", &["numbers", "means"], &["differences"], []);
    graph.node("MatMul", &["differences", "weights"], &["scores"], []);
    graph.node("Squeeze", &["scores", "column"], &["score"], []);
    graph.node("Add", &["score", "intercept"], &["logit"], []);
    graph.node("Sigmoid", &["logit"], &["probability"], []);
    let metadata = [
        ("features", serde_json::json!(names).to_string()),
        ("target", plan.actions[plan.target].clone()),
        ("horizon", serde_json::json!(plan.horizon).to_string()),
    ];
    graph.into_bytes(
        "propensity",
        "the probability that a user does the target within the horizon",
        &metadata,
    )
}

/// sign(x) log(1 + |x|) of a tensor.
fn add_logarithm(graph: &mut Graph, of: &str) -> &'static str {
    graph.doubles("unit", &[1], &[1.0]);
    graph.node("Abs", &[of], &["sizes"], []);
    graph.node("Add", &["sizes", "unit"], &["above_one"], []);
    graph.node("Log", &["above_one"], &["logarithms"], []);
    graph.node("Sign", &[of], &["signs"], []);
    graph.node("Mul", &["signs", "logarithms"], &["transformed"], []);
    "transformed"
}
