"""The loss of a network of items and its gradients, by PyTorch: what src/items/network/training/tests.rs compares with.

    python tests/recorded/sasrec.py        (needs torch)

Weights, histories and sizes are those of `example` there, in double precision. Prints the sum of the cross-entropies and, of every group of weights, the length
of its gradient and the gradient times cosines.
"""

import math

import torch

N_ITEMS, DIM, LAYERS, HEADS, MAX_LENGTH = 300, 32, 2, 2, 70
HISTORIES = [[(i * i + 3 * i) % N_ITEMS for i in range(71)], [4, 4, 7], [299, 1], [(7 * i) % N_ITEMS for i in range(20)]]


def numbers(n, first):
    return [0.3 * math.sin(1.7 * (first + i) + 0.3) for i in range(n)]


class Weights:
    """Leaves in the order of `Shape`."""

    def __init__(self):
        self.next, self.groups = 0, []

    def take(self, name, *shape):
        n = math.prod(shape)
        leaf = torch.tensor(numbers(n, self.next), dtype=torch.float64).reshape(shape).requires_grad_()
        self.next += n
        self.groups.append((name, leaf))
        return leaf


def norm(x, weights):
    return torch.nn.functional.layer_norm(x, (DIM,), weights[0], weights[1], eps=1e-5)


def main():
    w = Weights()
    items, positions = w.take("items", N_ITEMS, DIM), w.take("positions", MAX_LENGTH, DIM)
    names = [("norm", 2, DIM), ("qkv", DIM, 3 * DIM), ("qkv_bias", 3 * DIM), ("out", DIM, DIM), ("out_bias", DIM),
             ("second_norm", 2, DIM), ("inner", DIM, DIM), ("inner_bias", DIM), ("outer", DIM, DIM), ("outer_bias", DIM)]
    layers = [[w.take(f"{name} {layer}", *shape) for name, *shape in names] for layer in range(LAYERS)]
    last = w.take("last", 2, DIM)
    loss, n = 0.0, 0
    for history in HISTORIES:
        inputs, targets = torch.tensor(history[:-1]), torch.tensor(history[1:])
        x = items[inputs] * math.sqrt(DIM) + positions[: len(inputs)]
        for g1, qkv, qkv_bias, out, out_bias, g2, inner, inner_bias, outer, outer_bias in layers:
            q, k, v = (norm(x, g1) @ qkv + qkv_bias).reshape(len(inputs), 3, HEADS, DIM // HEADS).permute(1, 2, 0, 3)
            attended = torch.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)
            x = x + attended.permute(1, 0, 2).reshape(len(inputs), DIM) @ out + out_bias
            x = x + torch.relu(norm(x, g2) @ inner + inner_bias) @ outer + outer_bias
        loss = loss + torch.nn.functional.cross_entropy(norm(x, last) @ items.T, targets, reduction="sum")
        n += len(targets)
    (loss / n).backward()
    print(f"sum of {n}: {loss.item():.9f}")
    for name, leaf in w.groups:
        probe = torch.tensor([math.cos(0.9 * i) for i in range(leaf.numel())], dtype=torch.float64)
        print(f'("{name}", {leaf.grad.norm().item():.9e}, {leaf.grad.flatten().dot(probe).item():.9e}),')


if __name__ == "__main__":
    main()
