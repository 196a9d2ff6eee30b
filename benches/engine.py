"""Our engine beside PyTorch and ONNX Runtime, in one run, taking turns.

    cargo build --release --benches
    python3 benches/engine.py [--threads 2] [--rounds 5] [--only train|predict|one] [--python PATH]

Every figure is the best of the rounds: on a machine that does other work, too, the best is
what it can do. PyTorch's figure in training is the faster of padded and packed; batches are
sorted by length. Training is loss and gradient of every step, without the optimiser. The
tokens have the mix of a real shop (90 % views) unless the row says `uniform`: then nearly no
two sequences begin alike and our engine has nothing to share. The share of the peak counts
the work our engine does after sharing, against the best matrix product PyTorch (MKL) reaches
with the same threads in the same run.
"""

import argparse
import os
import pathlib
import random
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
MIX = [0.9, 0.055, 0.03, 0.02]
UNIFORM = [1, 1, 1, 1]


class Worker:
    """A process that answers a line with a line."""

    def __init__(self, *command):
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, *words):
        self.process.stdin.write(" ".join(map(str, words)) + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline().strip()
        if not answer:
            sys.exit(f"{self.process.args[0]} gave no answer to: {words}")
        return answer


def sequences(n, shortest, longest, mix, seed):
    source = random.Random(seed)
    lengths = [source.randint(shortest, longest) for _ in range(n)]
    return ["".join(map(str, source.choices(range(4), mix, k=length))) for length in lengths]


def write(folder, name, batches):
    file = pathlib.Path(folder) / name
    file.write_text("\n\n".join("\n".join(batch) for batch in batches) + "\n")
    return file


def training_file(folder, name, n, size, mix):
    """Sequences of 1 to 50 steps in batches by length, the number of targets and of distinct prefixes."""
    ordered = sorted(sequences(n, 2, 51, mix, seed=1), key=len)
    batches = [ordered[start:start + size] for start in range(0, n, size)]
    random.Random(2).shuffle(batches)
    targets = sum(len(s) - 1 for s in ordered)
    prefixes = sum(len({s[:end] for s in batch for end in range(1, len(s))}) for batch in batches)
    return write(folder, name, batches), targets, prefixes


def flops_per_row(cell, hidden, layers):
    """A step forward; the first layer's input product is a table."""
    gates = {"rnn": 1, "gru": 3, "lstm": 4}[cell]
    return 2 * gates * hidden * hidden * (2 * layers - 1)



def take_turns(rounds, runs):
    """The best seconds of each run (name: function)."""
    seconds = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            seconds[name].append(float(run()))
    return {name: min(values) for name, values in seconds.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", choices=["train", "predict", "one"])
    parser.add_argument("--python", default=sys.executable, help="the interpreter that has torch and onnxruntime")
    arguments = parser.parse_args()
    threads, rounds = arguments.threads, arguments.rounds

    binaries = [f for f in (ROOT / os.environ.get("CARGO_TARGET_DIR", "target")).glob("release/deps/engine-*") if not f.suffix]
    ours = Worker(str(max(binaries, key=os.path.getmtime)))
    peer = Worker(arguments.python, str(ROOT / "benches/peers/engine_torch.py"))
    cpu = next((l.split(":")[1].strip() for l in open("/proc/cpuinfo") if l.startswith("model name")), "?")
    print(f"{cpu}, {os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}; {threads} threads; {peer.ask('versions')}")
    peak = max(float(peer.ask("peak", threads)) for _ in range(3))
    print(f"peak: {peak:.0f} GFLOP/s\n")

    with tempfile.TemporaryDirectory() as folder:
        if arguments.only in (None, "train"):
            a = training_file(folder, "a", 4096, 256, MIX)
            uniform = training_file(folder, "a_uniform", 4096, 256, UNIFORM)
            b = training_file(folder, "b", 512, 16, MIX)
            print(f"{'training':28}{'ours':>12}{'padded':>10}{'packed':>10}   targets/s    ratio   share of peak")
            for name, data, cell, sizes in [
                ("A lstm", a, "lstm", (32, 64, 1, 0.0)),
                ("A gru", a, "gru", (32, 64, 1, 0.0)),
                ("A rnn", a, "rnn", (32, 64, 1, 0.0)),
                ("A lstm, uniform", uniform, "lstm", (32, 64, 1, 0.0)),
                ("A gru, uniform", uniform, "gru", (32, 64, 1, 0.0)),
                ("A rnn, uniform", uniform, "rnn", (32, 64, 1, 0.0)),
                ("B lstm", b, "lstm", (128, 128, 3, 0.1)),
            ]:
                file, targets, prefixes = data
                task = lambda worker, engine: worker.ask("train", engine, cell, *sizes, threads, file)
                seconds = take_turns(rounds, {
                    "ours": lambda: task(ours, "fused"),
                    "padded": lambda: task(peer, "padded"),
                    "packed": lambda: task(peer, "packed"),
                })
                rate = {engine: targets / s for engine, s in seconds.items()}
                ratio = rate["ours"] / max(rate["padded"], rate["packed"])
                # Dropout between layers ties rows to sequences, so nothing is shared.
                rows = targets if sizes[3] > 0 else prefixes
                _, hidden, layers, _ = sizes
                # The head is added, and backward costs twice as much as forward.
                flops = 3 * rows * (flops_per_row(cell, hidden, layers) + 2 * 5 * hidden)
                share = flops / seconds["ours"] / 1e9 / peak
                print(f"{name:28}{rate['ours']:12,.0f}{rate['padded']:10,.0f}{rate['packed']:10,.0f}{ratio:21.1f}"
                      f"{100 * share:14.0f} %", flush=True)
            print()
        if arguments.only in (None, "predict"):
            histories = sequences(20480, 1, 50, MIX, seed=3)
            # A chunk of a DuckDB query is 2,048 rows; the peers get the same.
            file = write(folder, "p", [histories[i:i + 2048] for i in range(0, len(histories), 2048)])
            print(f"{'prediction':28}{'ours':>12}{'PyTorch':>10}{'ONNX':>10}   histories/s    ratio   share of peak")
            # Of a chunk 64 histories at a time run together, in the order of their tokens.
            chunks = [sorted(histories[i:i + 2048]) for i in range(0, len(histories), 2048)]
            blocks = [chunk[i:i + 64] for chunk in chunks for i in range(0, len(chunk), 64)]
            rows = sum(len({s[:end] for s in block for end in range(1, len(s) + 1)}) for block in blocks)
            for cell in ["lstm", "gru", "rnn"]:
                task = lambda worker, engine: worker.ask("predict", engine, cell, 32, 64, 1, 0.0, threads, file)
                seconds = take_turns(rounds, {
                    "ours": lambda: task(ours, "fused"),
                    "torch": lambda: task(peer, "torch"),
                    "onnx": lambda: task(peer, "onnx"),
                })
                rate = {engine: len(histories) / s for engine, s in seconds.items()}
                ratio = rate["ours"] / max(rate["torch"], rate["onnx"])
                print(f"{'A ' + cell:28}{rate['ours']:12,.0f}{rate['torch']:10,.0f}{rate['onnx']:10,.0f}{ratio:23.1f}"
                      f"{100 * rows * flops_per_row(cell, 64, 1) / seconds['ours'] / 1e9 / peak:14.0f} %", flush=True)
            print()
        if arguments.only in (None, "one"):
            file = write(folder, "one", [sequences(500, 50, 50, MIX, seed=4)])
            print(f"{'one history of 50':28}{'ours':>12}{'PyTorch':>10}{'ONNX':>10}   µs, median   ratio")
            for cell in ["lstm", "gru", "rnn"]:
                task = lambda worker, engine: worker.ask("one", engine, cell, 32, 64, 1, 0.0, 1, file)
                seconds = take_turns(rounds, {
                    "ours": lambda: task(ours, "fused"),
                    "torch": lambda: task(peer, "torch"),
                    "onnx": lambda: task(peer, "onnx"),
                })
                ratio = min(seconds["torch"], seconds["onnx"]) / seconds["ours"]
                print(f"{'A ' + cell:28}" + f"{1e6 * seconds['ours']:12.1f}{1e6 * seconds['torch']:10.1f}"
                      f"{1e6 * seconds['onnx']:10.1f}{ratio:21.1f}", flush=True)
        print(f"\nload at the end: {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
