"""sql/recipes/notebook.ipynb is executed in a kernel of its own, and what its cells show is looked at."""

import tempfile
import time
import unittest
from pathlib import Path

import nbformat
from nbclient import NotebookClient

NOTEBOOK = Path(__file__).resolve().parents[3] / "sql" / "recipes" / "notebook.ipynb"


class Notebook(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.notebook = nbformat.read(NOTEBOOK, as_version=4)
        self.client = NotebookClient(self.notebook, kernel_name="python3", timeout=300, resources={"metadata": {"path": folder.name}})

    def test_cells(self):
        self.client.execute()
        weekdays, epochs, likeliest = (self.shown(cell) for cell in self.notebook.cells if cell.cell_type == "code")
        self.assertIn("Sunday", weekdays)
        self.assertIn("validation_loss", epochs)
        self.assertRegex(likeliest, r"^\[\{'action': '\w+', 'probability': 0\.\d+\},\s+\{'action': '\w+', 'probability': 0\.\d+\}\]$")

    def test_the_stop_button_ends_a_training(self):
        training = "footfall.run(con, 'CREATE TABLE long AS FROM footfall.train(histories, actions, epochs := 10000, hidden := 64, user_id := user_id)')"
        self.notebook.cells += [
            nbformat.v4.new_code_cell(
                "import os, signal, threading\nthreading.Timer(1, os.kill, (os.getpid(), signal.SIGINT)).start()\n"
                f"try:\n    {training}\nexcept KeyboardInterrupt:\n    print('stopped')"
            ),
            nbformat.v4.new_code_cell("con.execute('SELECT 42').fetchall()"),
        ]
        start = time.monotonic()
        self.client.execute()
        stopped, after = (self.shown(cell) for cell in self.notebook.cells[-2:])
        self.assertEqual((stopped, after), ("stopped\n", "[(42,)]"))
        print(f"with its first cells the notebook took {time.monotonic() - start:.0f} s")

    def shown(self, cell):
        """The text that the last output of a cell has."""
        output = cell.outputs[-1]
        return output["text"] if output.output_type == "stream" else output["data"]["text/plain"]


if __name__ == "__main__":
    unittest.main()
