"""A network trained in PyTorch, asked in SQL.

    pip install footfall torch safetensors numpy
    python sql/recipes/with_pytorch.py [DATABASE]

Histories leave the database, PyTorch trains on them, and the weights come back as a model: a value in a table, for `predict_next`,
`evaluate`, `compare_models`, `to_onnx` and all the others. Nothing else of PyTorch is needed from then on. What must be so for
`from_safetensors` to take it: a module with an `nn.Embedding` named `embedding`, an `nn.RNN`, `nn.GRU` or `nn.LSTM` named `rnn` and an `nn.Linear`
named `head`, no row for padding, and the actions in the order of the rows of the embedding.

Users are held back by `held_out`, whose choice SQL and PyTorch share: the log loss at the end is of users that neither has seen.
"""

import sys

import footfall
import safetensors.torch
import torch

EPOCHS, BATCH = 5, 64


class Network(torch.nn.Module):
    def __init__(self, n_actions, embedding=16, hidden=32, layers=1):
        super().__init__()
        self.embedding = torch.nn.Embedding(n_actions, embedding)
        self.rnn = torch.nn.GRU(embedding, hidden, layers, batch_first=True)
        self.head = torch.nn.Linear(hidden, n_actions)

    def forward(self, tokens):
        return self.head(self.rnn(self.embedding(tokens))[0])


def train(histories, n_actions):
    """A network that tells each action from those before it."""
    torch.manual_seed(42)
    network = Network(n_actions)
    optimizer = torch.optim.Adam(network.parameters(), lr=0.01)
    # Behind the end of a shorter history stands an action that no loss is taken of.
    nothing = -100
    for _ in range(EPOCHS):
        for batch in torch.randperm(len(histories)).split(BATCH):
            rows = [torch.tensor(histories[row]) for row in batch]
            tokens = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=nothing)
            told = network(tokens[:, :-1].clamp(min=0))
            loss = torch.nn.functional.cross_entropy(told.flatten(0, 1), tokens[:, 1:].flatten(), ignore_index=nothing)
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimizer.step()
    return network


def main(con):
    con.execute("CREATE OR REPLACE TABLE events AS FROM footfall.generate_events(users := 400, seed := 42)")
    con.execute("CREATE OR REPLACE TABLE histories AS FROM footfall.sequences(events, user_id, action, ts)")
    vocabulary = [name for (name,) in con.execute("SELECT DISTINCT unnest(actions) AS name FROM histories ORDER BY name ASC").fetchall()]
    place = {name: at for at, name in enumerate(vocabulary)}
    known = con.execute("SELECT actions FROM histories WHERE NOT held_out(user_id::VARCHAR, 0.2, 42) AND len(actions) > 1 ORDER BY user_id ASC").fetchall()
    network = train([[place[name] for name in actions] for (actions,) in known], len(vocabulary))

    weights = safetensors.torch.save(network.state_dict())
    con.execute("CREATE OR REPLACE TABLE model AS SELECT from_safetensors(?::BLOB, ?::VARCHAR[]) AS model", [weights, vocabulary])
    con.execute("CREATE OR REPLACE VIEW others AS FROM histories WHERE held_out(user_id::VARCHAR, 0.2, 42)")
    con.sql("SELECT user_id, n_actions, next.action, next.probability FROM (SELECT user_id, len(actions) AS n_actions, predict_next(model, actions) AS next FROM others, model) LIMIT 5").show()
    # The model does not know who was held back: all of these were. What only counting in a training would know, majority and markov, is not known either.
    con.sql("SELECT predictor, log_loss, accuracy, n FROM footfall.evaluate(others, actions, (SELECT model FROM model), user_id := user_id, part := 'all')").show()
    return network, vocabulary


if __name__ == "__main__":
    main(footfall.connect(*sys.argv[1:]))
