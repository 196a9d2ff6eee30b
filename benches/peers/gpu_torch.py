"""The peer of the resident training of benches/engine.rs on a card: PyTorch with cuDNN over padded batches, eager or as CUDA graphs.

Reads tasks such as those of benches/engine.rs from standard input, `train eager|graph <cell> <embedding> <hidden> <layers> <dropout> <threads>
<file>`, and answers each with the seconds of one pass of whole steps: loss, gradient, its norm clipped, fused Adam. All is in PyTorch's
favour: the batches are padded and on the card before the clock starts, nothing waits for a loss, warm-up and capture
are not counted, there is a graph for every shape of a batch, and cuDNN may use TF32, as is PyTorch's default. `versions` answers with the
versions in use. FOOTFALL_TORCH_DEVICE=cpu tries the eager one without a card.
"""

import functools
import os
import sys
import time

import torch

VOCABULARY = 5
PADDING = -100
DEVICE = os.environ.get("FOOTFALL_TORCH_DEVICE", "cuda")


class Network(torch.nn.Module):
    def __init__(self, cell, embedding, hidden, layers, dropout):
        super().__init__()
        self.embedding = torch.nn.Embedding(VOCABULARY, embedding)
        self.rnn = getattr(torch.nn, cell.upper())(embedding, hidden, layers, dropout=dropout)
        self.head = torch.nn.Linear(hidden, VOCABULARY)

    def loss(self, tokens, targets):
        """Mean loss of (steps, sequences) tokens."""
        logits = self.head(self.rnn(self.embedding(tokens))[0])
        return torch.nn.functional.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=PADDING)


# What the task before left on the card makes room.
@functools.lru_cache(maxsize=1)
def batches(file):
    with open(file) as text:
        all_sequences = [[torch.tensor([int(c) for c in line]) for line in batch.split()] for batch in text.read().split("\n\n")]
    pad = torch.nn.utils.rnn.pad_sequence
    return [
        (pad([s[:-1] for s in sequences]).to(DEVICE), pad([s[1:] for s in sequences], padding_value=PADDING).to(DEVICE))
        for sequences in all_sequences
        if sequences
    ]


class Training:
    def __init__(self, cell, embedding, hidden, layers, dropout):
        torch.manual_seed(1)
        self.network = Network(cell, int(embedding), int(hidden), int(layers), float(dropout)).to(DEVICE).train()
        on_card = DEVICE == "cuda"
        self.adam = torch.optim.Adam(self.network.parameters(), fused=on_card, capturable=on_card)
        self.graphs = {}

    def forget_gradient(self):
        self.network.zero_grad(set_to_none=True)

    def step(self, tokens, targets):
        self.network.loss(tokens, targets).backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 5.0)
        self.adam.step()

    def eager(self, tokens, targets):
        self.forget_gradient()
        self.step(tokens, targets)

    def capture(self, tokens, targets):
        """A graph of a step, and the places of what it reads."""
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(3):
                self.eager(tokens, targets)
        torch.cuda.current_stream().wait_stream(stream)
        self.forget_gradient()
        places = tokens.clone(), targets.clone()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            self.step(*places)
        return graph, *places

    def graph(self, tokens, targets):
        if tokens.shape not in self.graphs:
            self.graphs[tokens.shape] = self.capture(tokens, targets)
        graph, its_tokens, its_targets = self.graphs[tokens.shape]
        its_tokens.copy_(tokens)
        its_targets.copy_(targets)
        graph.replay()


def wait():
    if DEVICE == "cuda":
        torch.cuda.synchronize()


def one_pass(step, file):
    wait()
    started = time.perf_counter()
    for tokens, targets in batches(file):
        step(tokens, targets)
    wait()
    return time.perf_counter() - started


@functools.lru_cache(maxsize=1)
def warm(way, file, *sizes):
    """The step of a training that has seen every shape."""
    step = getattr(Training(*sizes), way)
    one_pass(step, file)
    return step


def main():
    if DEVICE == "cuda" and not torch.cuda.is_available():
        sys.exit("PyTorch sees no card")
    for line in sys.stdin:
        task, *words = line.split()
        if task == "versions":
            cudnn = torch.backends.cudnn
            print(f"PyTorch {torch.__version__}, cuDNN {cudnn.version()}, TF32 {cudnn.allow_tf32}", flush=True)
            continue
        way, *sizes, _threads, file = words
        print(one_pass(warm(way, file, *sizes), file), flush=True)


if __name__ == "__main__":
    main()
