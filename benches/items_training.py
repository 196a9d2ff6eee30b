#!/usr/bin/env python3
"""Training a network over a catalogue of items: targets a CPU second of footfall.train_items, and of the same network by PyTorch.

    python3 benches/items_training.py --duckdb DIR --extension PATH [--toys FILE] [--threads 2] [--epochs 2]

Histories are made up, 3,706 items and 165 events of each user as in MovieLens 1M, and those of `--toys`, a Parquet file with a column `items`, where it is given. An
epoch of the macro is what one more costs, its validation included; of PyTorch it is the steps alone, of as many events each, padded to the
longest history of a step. Without torch there is no second row.
"""

import argparse
import sys
import time

MADE_UP = "SELECT [(u * 7919 + j * j * 31 + u * j * 17) % 3706 FOR j IN range(165)] AS items FROM range({users}) AS users(u)"
SIZES = {"dim": 64, "layers": 2, "heads": 1}


def ours(con, table, max_length, epochs):
    """CPU seconds of one more epoch."""
    seconds = []
    for n in (1, 1 + epochs):
        begun = time.process_time()
        con.execute(f"""SELECT len(by_epoch) FROM footfall.train_items({table}, items, split := 'leave_last_out', architecture := 'sasrec',
            dim := {SIZES['dim']}, layers := {SIZES['layers']}, heads := {SIZES['heads']}, max_length := {max_length}, epochs := {n}, patience := 1000)""")
        assert con.fetchone()[0] == n
        seconds.append(time.process_time() - begun)
    return (seconds[1] - seconds[0]) / epochs


def theirs(histories, n_items, max_length, threads, step=1024):
    """CPU seconds of one epoch by PyTorch."""
    import torch
    from torch import nn

    torch.manual_seed(1)
    torch.set_num_threads(threads)
    dim = SIZES["dim"]

    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.second = nn.LayerNorm(dim), nn.LayerNorm(dim)
            self.qkv, self.out = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)
            self.inner, self.outer = nn.Linear(dim, dim), nn.Linear(dim, dim)

        def forward(self, x):
            drop = nn.functional.dropout
            q, k, v = self.qkv(self.first(x)).unsqueeze(1).chunk(3, -1)
            x = x + drop(self.out(nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True).squeeze(1)), 0.2)
            return x + drop(self.outer(torch.relu(self.inner(self.second(x)))), 0.2)

    items, positions = nn.Embedding(n_items, dim), nn.Embedding(max_length, dim)
    blocks, last = nn.Sequential(*[Block() for _ in range(SIZES["layers"])]), nn.LayerNorm(dim)
    parameters = [p for module in (items, positions, blocks, last) for p in module.parameters()]
    adam = torch.optim.Adam(parameters, lr=0.001)
    pieces = [h[b : b + max_length + 1] for h in histories for b in range(0, len(h) - 1, max_length)]
    begun, place = time.process_time(), 0
    while place < len(pieces):
        taken, n = [], 0
        while place < len(pieces) and n < step:
            taken.append(torch.tensor(pieces[place]))
            n += len(pieces[place]) - 1
            place += 1
        x = nn.utils.rnn.pad_sequence([t[:-1] for t in taken], batch_first=True)
        y = nn.utils.rnn.pad_sequence([t[1:] for t in taken], batch_first=True, padding_value=-1)
        h = items(x) * dim**0.5 + positions(torch.arange(x.shape[1]))
        h = last(blocks(nn.functional.dropout(h, 0.2)))[y >= 0]
        loss = nn.functional.cross_entropy(h @ items.weight.T, y[y >= 0])
        adam.zero_grad()
        loss.backward()
        adam.step()
    return time.process_time() - begun


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--duckdb")
    parser.add_argument("--extension", required=True)
    parser.add_argument("--toys")
    parser.add_argument("--users", type=int, default=1500)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--epochs", type=int, default=2)
    given = parser.parse_args()
    sys.path[:0] = [given.duckdb] if given.duckdb else []
    import duckdb

    con = duckdb.connect(config={"allow_unsigned_extensions": "true"})
    con.execute(f"LOAD '{given.extension}'; SET threads = {given.threads}; CREATE TABLE made_up AS {MADE_UP.format(users=given.users)}")
    sets = [("made_up", 200)]
    if given.toys:
        con.execute(f"CREATE TABLE toys AS SELECT items FROM '{given.toys}'")
        sets.append(("toys", 50))
    for table, max_length in sets:
        # The last item of each is asked for, and the one before chooses.
        rows = [row for (row,) in con.execute(f"SELECT items[:-3] FROM {table} WHERE len(items) > 4").fetchall()]
        numbers = {item: number for number, item in enumerate(sorted({item for row in rows for item in row}))}
        n_targets = sum(len(row) - 1 for row in rows)
        seconds = ours(con, table, max_length, given.epochs)
        print(f"{table}: {len(numbers)} items, {n_targets} targets; footfall {n_targets / seconds:.0f} targets a CPU second")
        try:
            other = theirs([[numbers[item] for item in row] for row in rows], len(numbers), max_length, given.threads)
            print(f"{table}: PyTorch {n_targets / other:.0f} targets a CPU second; footfall is {other / seconds:.1f} times as fast")
        except ModuleNotFoundError:
            print("SKIPPED: PyTorch, which is not here")


if __name__ == "__main__":
    main()
