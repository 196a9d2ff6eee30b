"""Training on a card beside PyTorch with cuDNN on it and beside our engine on the processor, in one run, taking turns.

    python3 benches/gpu.py --engine BINARY [--rounds 3] [--small]

BINARY is the bench `engine` (`cargo build --release --benches`; the kit of `make gpu-kit` has it). Prints a line of JSON for each
configuration and batch size: targets per second, the best of the rounds. `resident` are whole steps on the card, each batch
uploaded and its loss waited for, as footfall.train makes them; `gradient` is loss and gradient through the interface of all
engines, with parameters going up and the gradient coming back for each batch; `processor` is that of our engine on all processors;
`torch_eager` and `torch_graph` are whole steps (benches/peers/gpu_torch.py says what is in their favour). Batches are of
histories of nearly one length with the mix of a real shop. Without PyTorch, or where it fails, the line says so.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

from engine import MIX, ROOT, Worker, sequences, write

# Name, cell, (embedding, hidden, layers, dropout), as in engine.py.
CONFIGURATIONS = [
    ("A", "lstm", (32, 64, 1, 0.0)),
    ("A", "gru", (32, 64, 1, 0.0)),
    ("A", "rnn", (32, 64, 1, 0.0)),
    ("B", "lstm", (128, 128, 3, 0.1)),
]
# Histories of a pass by the size of a batch: enough for a pass to be worth timing, few enough for the slower side.
HISTORIES = {16: 2048, 256: 8192, 1024: 16384, 4096: 16384}
LONGEST = 51


def batched(n, size, longest):
    """Batches of histories of nearly one length, and their number of targets."""
    ordered = sorted(sequences(n, 2, longest, MIX, seed=1), key=len)
    return [ordered[start : start + size] for start in range(0, n, size)], sum(len(s) - 1 for s in ordered)


class Peer:
    """PyTorch in a process that begins anew after a failure."""

    def __init__(self):
        self.process = self.errors = None

    def ask(self, *words):
        """An answer, or None and why there is none."""
        if not find_spec("torch"):
            return None, "no torch"
        if self.process is None:
            self.errors = tempfile.TemporaryFile("w+")
            command = [sys.executable, str(ROOT / "benches/peers/gpu_torch.py")]
            self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.errors, text=True)
        try:
            self.process.stdin.write(" ".join(map(str, words)) + "\n")
            self.process.stdin.flush()
            answer = self.process.stdout.readline().strip()
        except BrokenPipeError:
            answer = ""
        if answer:
            return answer, None
        self.process.wait()
        self.process = None
        self.errors.seek(0)
        told = self.errors.read().strip()
        error = re.search(r"^[\w.]*Error: .*", told, re.M)
        return None, error[0] if error else told.split("\n")[-1] or "no answer"


def rates(ours, peers, task, n_targets, rounds):
    """Targets per second of each side, the best of the rounds, or why there are none."""
    best, failed = {}, {}
    for _ in range(rounds):
        for side, engine in [("resident", "resident"), ("gradient", "cuda"), ("processor", "fused")]:
            best[side] = max(best.get(side, 0), n_targets / float(ours.ask("train", engine, *task)))
        for way, peer in peers.items():
            seconds, why = (None, failed[way]) if way in failed else peer.ask("train", way, *task)
            if why:
                failed[way] = why
            else:
                best[way] = max(best.get(way, 0), n_targets / float(seconds))
    torch = {f"torch_{way}": failed.get(way) or round(best.pop(way)) for way in peers}
    return {side: round(rate) for side, rate in best.items()} | torch


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--engine", required=True)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--small", action="store_true", help="one batch of short histories, for an emulated card")
    given = parser.parse_args()
    threads = os.cpu_count()
    configurations, histories, longest = CONFIGURATIONS, HISTORIES, LONGEST
    if given.small:
        configurations, histories, longest, given.rounds = [CONFIGURATIONS[0], CONFIGURATIONS[-1]], {16: 16}, 4, 1
    ours, peers = Worker(given.engine), {way: Peer() for way in ("eager", "graph")}
    versions, why = peers["eager"].ask("versions")
    print(json.dumps({"threads": threads, "rounds": given.rounds, "torch": versions or why}), flush=True)
    with tempfile.TemporaryDirectory() as folder:
        for size, n in histories.items():
            batches, n_targets = batched(n, size, longest)
            file = write(folder, str(size), batches)
            for name, cell, sizes in configurations:
                row = rates(ours, peers, (cell, *sizes, threads, file), n_targets, given.rounds)
                print(json.dumps({"configuration": name, "cell": cell, "batch": size, "targets": n_targets, **row}), flush=True)


if __name__ == "__main__":
    main()
