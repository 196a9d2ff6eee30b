-- Exchange: models on their way to and from other programs.

CREATE MACRO footfall.main.to_onnx(model) AS system.main.to_onnx(model);

COMMENT ON MACRO footfall.main.to_onnx IS $$Writes a model as an ONNX file, which ONNX Runtime and many other programs run.

A network of `footfall.train` has two inputs: `tokens` (INT64, batch × steps), the place of each action in the vocabulary, from 0, oldest first and
anything behind the end of a shorter history, and `lengths` (INT32, batch), how many actions each history has. Its output `probabilities` (FLOAT, batch × actions)
is that of `predict_next`, the training frequencies after an empty history. The vocabulary is in the file's metadata, a JSON list under `vocabulary`; actions that
it does not hold are left out of a history, as `predict_next` does.

A clustering of `kmeans` has one input: `points` (DOUBLE, batch × dimensions), in the units that it was trained with, and two outputs: `cluster` (INT64, batch), from 1, and
`distance` (DOUBLE, batch), those of `kmeans_assign` and `kmeans_distance`. Logarithms and scaling are in the file.

A model of `footfall.train_propensity` has one input: `features` (FLOAT, batch × features), a user's `inputs` of `footfall.propensity_inputs`, and one output: `probability` (DOUBLE, batch), that of
`footfall.propensity`. The features' names in their order are in the file's metadata, a JSON list under `features`, `target` and `horizon` beside it. Standardising is in the file.

Operators are those of version 17 of the standard set (ONNX Runtime 1.12 and later). NULL gives NULL.

Parameters:
- model: a BLOB of `footfall.train` or `footfall.train_propensity`, or what `kmeans` or `footfall.segment` learned.

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

CREATE MACRO footfall.internal.in_markdown(text_value) AS
regexp_replace(replace(replace(replace(text_value, '\', '\\'), '|', '\|'), '<', '&lt;'), '\s+', ' ', 'g');

COMMENT ON MACRO footfall.internal.in_markdown IS $$A name as a cell of a table in Markdown, on one line and without markup of HTML.

Parameters:
- text_value: VARCHAR.

Example:
SELECT footfall.internal.in_markdown('a|b <c>') AS cell;$$;

CREATE MACRO footfall.internal.card_quality(quality) AS (
    SELECT concat(
        chr(10), '## Beside what needs no network', chr(10), chr(10),
        '| | log loss | less the best without a network | standard error |', chr(10), '| --- | ---: | ---: | ---: |', chr(10),
        array_to_string(list_transform(quality, lambda row: format(
            '| {} | {} | {} | {} |' || chr(10), footfall.internal.in_markdown(row['predictor']), coalesce(format('{:.4f}', row['log_loss']), '–'),
            coalesce(format('{:+.4f}', row['difference']), '–'), coalesce(format('{:.4f}', row['standard_error']), '–')
        )), ''),
        chr(10), CASE
            WHEN of_model['difference'] IS NULL THEN 'No row of these is that of the model.'
            WHEN of_model['standard_error'] IS NULL THEN 'Too few users for an error of the difference: nothing follows from it.'
            WHEN of_model['difference'] < -2 * of_model['standard_error'] THEN 'The network is better than counting, by more than two standard errors.'
            WHEN of_model['difference'] > 2 * of_model['standard_error'] THEN 'Counting is better, by more than two standard errors: do not use the network.'
            ELSE 'The network is not better than counting by two standard errors: do not use it.'
        END, chr(10)
    )
    FROM (SELECT list_filter(quality, lambda row: row['predictor'] = 'model')[1] AS of_model)
);

COMMENT ON MACRO footfall.internal.card_quality IS $$The part of `footfall.model_card` that has the model beside its baselines.

Parameters:
- quality: a list of rows of `footfall.evaluate`.

Example:
SELECT footfall.internal.card_quality([{'predictor': 'model', 'log_loss': 0.5, 'difference': -0.1, 'standard_error': 0.01}]) AS part;$$;

CREATE MACRO footfall.main.model_card(model, quality := NULL) AS (
    SELECT concat(
        '# A model of the next action', chr(10), chr(10), '| | |', chr(10), '| --- | --- |', chr(10),
        format(
            '| network | {}, {} x {} units, embedding of {}, {} parameters |' || chr(10),
            upper(info['architecture']), info['layers'], info['hidden'], info['embedding'], info['n_parameters']
        ),
        format('| actions | {} |' || chr(10), array_to_string(list_transform(info['vocabulary'], lambda name: footfall.internal.in_markdown(name)), ', ')),
        format('| learned from | {} actions, {} times, seed {} |' || chr(10), info['n_train_targets'], info['epochs'], info['seed']),
        format(
            '| held back | {} |' || chr(10),
            CASE
                WHEN info['n_validation_targets'] = 0 THEN 'nothing, as far as the model knows'
                ELSE concat(
                    info['n_validation_targets'], ' actions',
                    ' of ' || info['split']['n_held_out'] || ' histories',
                    CASE info['split']['by']
                        WHEN 'user' THEN ', by a hash of the user'
                        WHEN 'history' THEN ', by a hash of the history'
                        WHEN 'time' THEN ', those from ' || coalesce(info['split']['validation_from'], 'a moment') || ' on'
                    END
                )
            END
        ),
        coalesce(format(
            '| log loss there | {:.4f}{} |' || chr(10), info['validation_loss'], coalesce(format(', in training {:.4f}', info['train_loss']), '')
        ), ''),
        coalesce(format('| AUC there | {:.3f}, the mean over the actions |' || chr(10), info['validation_auc']), ''),
        format('| settings | {} |' || chr(10), footfall.internal.in_markdown(info['settings'])),
        format('| format | {} of footfall, read by version {} |' || chr(10), info['format_version'], system.main.footfall_version()),
        coalesce(footfall.internal.card_quality(CAST(quality AS STRUCT(predictor VARCHAR, log_loss DOUBLE, difference DOUBLE, standard_error DOUBLE)[])), ''),
        chr(10), '## What it cannot say', chr(10), chr(10),
        '- The probability is that of the next event, whenever it comes: not who will do something by when.', chr(10),
        '- It reads which actions there were and in which order: no items, prices or times. Other actions than these it leaves out.', chr(10),
        CASE WHEN info['split']['by'] = 'time' THEN '' ELSE
            '- It was judged on other users of the same days. Whether later days are alike, `footfall.drift` and a new evaluation tell.' || chr(10) END
    )
    FROM (SELECT system.main.model_info(model, 'model_card', 'model') AS info)
    WHERE info IS NOT NULL
);

COMMENT ON MACRO footfall.main.model_card IS $$Says in Markdown what a network is, how it came to be, how good it is beside counting, and what it cannot say.

Data, split, settings and losses are those in the model; what it is worth beside the baselines is known only from an evaluation, so give its rows. NULL gives NULL.

Parameters:
- model: BLOB, of `footfall.train`.
- quality: the rows of `footfall.evaluate` as a list, such as `(SELECT list(q) FROM footfall.evaluate(histories, actions, model, user_id := user_id) AS q)`; NULL leaves that part out.

Example:
WITH histories(u, actions) AS (SELECT u, list_transform(range(12 + u % 4), lambda i: ['pv', 'pv', 'cart', 'buy'][1 + (i + u) % 4]) FROM range(80) users(u)),
     run AS (FROM footfall.train(histories, actions, epochs := 3, hidden := 8, user_id := u))
SELECT unnest(string_split(footfall.model_card(model), chr(10))) AS card FROM footfall.best_model(run);$$;
