"""sql/recipes/with_pytorch.py: a network trained in PyTorch tells in SQL what it tells there."""

import runpy
import unittest
from pathlib import Path

import footfall
import torch

RECIPE = Path(__file__).resolve().parents[3] / "sql" / "recipes" / "with_pytorch.py"


class PyTorch(unittest.TestCase):
    def test_the_same_probabilities(self):
        with footfall.connect() as con:
            network, vocabulary = runpy.run_path(str(RECIPE))["main"](con)
            told = con.execute("SELECT actions, predict_next(model, actions).probabilities FROM histories, model").fetchall()
        self.assertEqual(len(told), 400)
        for actions, probabilities in told:
            with torch.no_grad():
                expected = network(torch.tensor([[vocabulary.index(action) for action in actions]]))[0, -1].softmax(0)
            for name, probability in zip(vocabulary, expected.tolist()):
                self.assertAlmostEqual(probabilities[name], probability, delta=1e-5)


if __name__ == "__main__":
    unittest.main()
