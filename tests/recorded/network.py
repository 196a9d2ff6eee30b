"""Records losses, gradients and probabilities of PyTorch's networks in network.safetensors.

    python3 tests/recorded/network.py        (PyTorch 2.15.0, numpy, safetensors)

Everything is computed in float64, one unpadded sequence at a time, so the values are right
to float32. Networks: each cell with 1, 2 and 3 layers; a single layer has 18 units, several
have 6. Per network: the flat parameters in the order of named_parameters(), the distributions
at positions first_target..=n of every sequence, and sums over all targets with and without
class weights: the loss, the weight, and the gradient of the loss with respect to the
parameters.
"""

import pathlib

import numpy as np
import torch
from safetensors.numpy import save_file

VOCABULARY, EMBEDDING = 5, 3
LENGTHS = [1, 2, 3, 5, 8, 13, 21, 34, 50, 50]
FIRST_TARGETS = [1, 1, 1, 2, 1, 13, 1, 30, 1, 20]
CLASS_WEIGHTS = [1.0, 1.5, 2.0, 1.25, 0.0]


class Network(torch.nn.Module):
    def __init__(self, cell, hidden, layers):
        super().__init__()
        self.embedding = torch.nn.Embedding(VOCABULARY, EMBEDDING)
        self.rnn = getattr(torch.nn, cell.upper())(EMBEDDING, hidden, layers, batch_first=True)
        self.head = torch.nn.Linear(hidden, VOCABULARY)

    def forward(self, tokens):
        return self.head(self.rnn(self.embedding(tokens))[0])


def sums(network, sequences, weights):
    """The loss sum and the weight sum over the targets of all sequences."""
    losses, total = [], 0.0
    for tokens, first in zip(sequences, FIRST_TARGETS):
        if first < len(tokens):
            log_p = torch.log_softmax(network(tokens[None, :-1])[0], -1)
            targets = tokens[first:]
            losses.append(-(weights[targets] * log_p[first - 1 :].gather(1, targets[:, None])[:, 0]).sum())
            total += weights[targets].sum().item()
    return torch.stack(losses).sum(), total


def main():
    torch.manual_seed(20251125)
    torch.set_default_dtype(torch.float64)
    sequences = [torch.randint(0, VOCABULARY, (n,)) for n in LENGTHS]
    recorded = {
        "tokens": np.concatenate([s.numpy() for s in sequences]).astype(np.uint8),
        "lengths": np.array(LENGTHS, dtype=np.uint32),
        "first_targets": np.array(FIRST_TARGETS, dtype=np.uint32),
        "class_weights": np.array(CLASS_WEIGHTS, dtype=np.float32),
    }
    for cell in ["rnn", "gru", "lstm"]:
        for layers in [1, 2, 3]:
            network = Network(cell, 18 if layers == 1 else 6, layers)
            with torch.no_grad():
                for parameter in network.parameters():
                    # Larger than the start weights, so that gates leave their linear range;
                    # rounded to float32, which is what the tests read.
                    parameter.copy_((parameter * 2).float())
            flat = lambda tensors: np.concatenate([t.detach().numpy().ravel() for t in tensors]).astype(np.float32)
            name = f"{cell}{layers}"
            recorded[f"{name}.parameters"] = flat(network.parameters())
            for suffix, weights in [("", torch.ones(VOCABULARY)), (".weighted", torch.tensor(CLASS_WEIGHTS))]:
                network.zero_grad()
                loss, weight = sums(network, sequences, weights)
                loss.backward()
                recorded[f"{name}{suffix}.sums"] = np.array([loss.item(), weight])
                recorded[f"{name}{suffix}.gradient"] = flat(p.grad for p in network.parameters())
            with torch.no_grad():
                recorded[f"{name}.probabilities"] = np.concatenate([
                    torch.softmax(network(tokens[None])[0], -1)[first - 1 :].numpy()
                    for tokens, first in zip(sequences, FIRST_TARGETS)
                ]).astype(np.float32)
    save_file(recorded, pathlib.Path(__file__).with_suffix(".safetensors"))


if __name__ == "__main__":
    main()
