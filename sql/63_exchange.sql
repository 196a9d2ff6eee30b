-- Exchange: models on their way to and from other programs.

CREATE MACRO footfall.main.to_onnx(model) AS system.main.to_onnx(model);

COMMENT ON MACRO footfall.main.to_onnx IS $$Writes a model as an ONNX file, which ONNX Runtime and many other programs run.

A network of `footfall.train` has two inputs: `tokens` (INT64, batch × steps), the place of each action in the vocabulary, from 0, oldest first and
anything behind the end of a shorter history, and `lengths` (INT32, batch), how many actions each history has. Its output `probabilities` (FLOAT, batch × actions)
is that of `predict_next`, the training frequencies after an empty history. The vocabulary is in the file's metadata, a JSON list under `vocabulary`; actions that
it does not hold are left out of a history, as `predict_next` does.

A clustering of `kmeans` has one input: `points` (DOUBLE, batch × dimensions), in the units that it was trained with, and two outputs: `cluster` (INT64, batch), from 1, and
`distance` (DOUBLE, batch), those of `kmeans_assign` and `kmeans_distance`. Logarithms and scaling are in the file.

Operators are those of version 17 of the standard set (ONNX Runtime 1.12 and later). NULL gives NULL.

Parameters:
- model: a BLOB of `footfall.train`, or what `kmeans` or `footfall.segment` learned.

Example:
WITH learned AS (SELECT kmeans([[1, 2], [2, 1], [8, 9], [9, 8], [8, 8]], 2) AS model)
SELECT octet_length(to_onnx(model)) AS n_bytes FROM learned;$$;

CREATE MACRO footfall.main.from_safetensors(weights, vocabulary) AS system.main.from_safetensors(weights, vocabulary);

COMMENT ON MACRO footfall.main.from_safetensors IS $$Reads a network that was trained elsewhere, as a model for `predict_next`, `evaluate` and all the others.

The file holds PyTorch's tensors, 32 bits each, of a module with an `nn.Embedding` named `embedding`, an `nn.RNN` (tanh), `nn.GRU` or `nn.LSTM` named `rnn` and an
`nn.Linear` named `head`: `embedding.weight` (V × E), `rnn.weight_ih_l0`, `rnn.weight_hh_l0`, `rnn.bias_ih_l0` and `rnn.bias_hh_l0`, and so on for each layer, `head.weight` (V × H) and
`head.bias` (V). Which cell it is, the shapes tell. Nothing is guessed: a tensor that is missing, of another shape or type, or not among these is an error that names it, so a
bidirectional network or one with a row for padding is refused.

What was held back from its training is not known to the model, nor how often its actions occurred: `evaluate` must be told `part := 'all'`, and its baselines know nothing.

Parameters:
- weights: a BLOB, the bytes of a .safetensors file, such as `content` of `read_blob('network.safetensors')`.
- vocabulary: a list of the actions in the order of the rows of `embedding.weight`.

Example:
WITH histories AS (SELECT user_id, list(action ORDER BY ts, action) AS actions FROM footfall.generate_events(users := 30) GROUP BY user_id),
    run AS (FROM footfall.train(histories, actions, epochs := 1, hidden := 4, user_id := user_id))
SELECT from_safetensors(model, ['pv']) FROM run WHERE false;$$;
