"""`device := 'cuda'` without a card: the driver of tests/emulated runs the source of the kernels, and answers like drivers that cannot help.

Each case is a process of its own: a process opens one driver.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import unittest
from ast import literal_eval
from pathlib import Path

import duckdb

from client import EXTENSION, connect, one

HERE = Path(__file__).resolve().parent
sys.path.append(str(HERE.parent / "emulated"))
from build import driver as compiled

# What a process is asked: its answer, or the error.
PROGRAM = """
import sys, duckdb
from client import connect
connection = connect()
try:
    for statement in sys.argv[1:]:
        answer = connection.execute(statement).fetchall()
    print(answer)
except duckdb.Error as error:
    print(error)
"""
HISTORIES = """
    CREATE TABLE histories AS
    SELECT u, list_transform(range(12 + u % 4), lambda i: ['pv', 'pv', 'cart', 'buy'][1 + (i * i + u) % 4]) AS actions FROM range({n}) users(u)
"""
TRAIN = "FROM footfall.train(histories, actions, {settings}, device := '{device}', user_id := u, progress := false)"
SMALL = "architecture := 'gru', hidden := 8, embedding := 4, layers := 2, dropout := 0.2, epochs := 2"


def answer(*statements, driver=None, **environment):
    environment = {**os.environ, "FOOTFALL_CUDA_DRIVER": str(driver or compiled()), **environment}
    program = subprocess.run([sys.executable, "-c", PROGRAM, *statements], env=environment, cwd=HERE, text=True, stdout=subprocess.PIPE, check=True)
    return program.stdout.strip()


@unittest.skipUnless(sys.platform == "linux", "the driver is emulated on Linux alone")
class Gpu(unittest.TestCase):
    def assert_refused(self, *texts, **environment):
        """Neither listed nor used, for the same reason."""
        asked = answer("SELECT footfall_devices()", **environment)
        self.assertEqual(asked, "[(['cpu'],)]")
        self.assert_fails(*texts, **environment)

    def assert_fails(self, *texts, settings=SMALL, **environment):
        error = answer(HISTORIES.format(n=60), "SELECT epoch " + TRAIN.format(settings=settings, device="cuda"), **environment)
        self.assertEqual(len(error.splitlines()), 1, error)
        for text in ("footfall.train: ", *texts):
            self.assertIn(text, error)

    def test_a_card_is_a_device(self):
        with tempfile.TemporaryDirectory() as folder:
            counts = Path(folder) / "counts"
            asked = answer("SELECT footfall_devices()", EMULATED_CUDA_COUNTS=str(counts))
            self.assertEqual(asked, "[(['cpu', 'cuda'],)]")
            # Asking opens nothing on it.
            self.assertEqual(set(json.loads(counts.read_text()).values()), {0})

    def test_without_a_driver_the_error_names_what_was_looked_for(self):
        missing = "/nowhere/libcuda.so.1"
        self.assert_refused("needs NVIDIA's driver", f"{missing} cannot be used here", "No such file", "use device 'cpu'", driver=missing)

    def test_drivers_and_cards_that_cannot_help_are_told_apart(self):
        self.assert_refused("of CUDA 12.1 or newer", "the one here is of CUDA 11.4", EMULATED_CUDA_VERSION="11040")
        self.assert_refused("finds no GPU here", "CUDA_ERROR_NO_DEVICE (no CUDA-capable device is detected)", EMULATED_CUDA_DEVICES="0")
        self.assert_refused("compute capability 8.0 or newer", "Emulated has 7.5", EMULATED_CUDA_CAPABILITY="75")

    def test_a_card_that_is_taken_or_full_is_an_error_before_the_first_batch(self):
        self.assert_fails("Emulated taken by another process", "CUDA_ERROR_DEVICE_UNAVAILABLE", EMULATED_CUDA_BUSY="1")
        self.assert_fails("no memory for a context on Emulated", "CUDA_ERROR_OUT_OF_MEMORY", EMULATED_CUDA_MEMORY="1000000")
        settings = "hidden := 128, layers := 16, batch_size := 60"
        memory = str(100 << 20)
        self.assert_fails("MiB of memory for this; allowed: ", "which Emulated has free", settings=settings, EMULATED_CUDA_MEMORY=memory)

    def test_a_size_that_no_kernel_has_is_refused_with_the_figure(self):
        self.assert_fails("argument 'hidden' is 129; allowed: 1 to 128 with device 'cuda'", settings="hidden := 129")

    def test_it_learns_what_the_processor_learns_twice_the_same(self):
        def run(device, **environment):
            select = "SELECT epoch, train_loss, validation_loss, device, md5(model), predict_next(model, ['pv', 'buy']).probability "
            trained = select + TRAIN.format(settings=SMALL, device=device) + " ORDER BY epoch"
            return literal_eval(answer(HISTORIES.format(n=60), trained, **environment))

        first = run("cuda")
        self.assertEqual(first, run("cuda"))
        # Nor does it matter which thread and which block comes first.
        self.assertEqual(first, run("cuda", EMULATED_CUDA_BACKWARDS="1"))
        for ours, theirs in zip(first, run("cpu"), strict=True):
            self.assertEqual((ours[0], ours[3]), (theirs[0], "cuda"))
            for place in (1, 2, 5):
                self.assertAlmostEqual(ours[place], theirs[place], delta=1e-4)

    def test_a_batch_is_at_most_ten_launches_one_wait_and_no_allocation(self):
        """Epochs of a training of one layer: what each more of them costs, validation aside."""

        def counted(epochs):
            with tempfile.TemporaryDirectory() as folder:
                counts = Path(folder) / "counts"
                settings = f"hidden := 8, embedding := 4, batch_size := 4, validation := 0, epochs := {epochs}"
                answer(HISTORIES.format(n=60), "SELECT epoch " + TRAIN.format(settings=settings, device="cuda"), EMULATED_CUDA_COUNTS=str(counts))
                return json.loads(counts.read_text())

        short, long = counted(1), counted(3)
        more = {what: long[what] - short[what] for what in short}
        n_batches = 2 * 15
        self.assertEqual(more["launches"], 9 * n_batches)
        self.assertEqual((short["contexts"], long["contexts"], short["modules"], long["modules"]), (1, 1, 1, 1))
        # Beside the batches each slice of a second brings parameters and moments up and down.
        n_slices = (more["waits"] - n_batches) // 3
        self.assertLessEqual(more["waits"], n_batches + 3 * n_slices)
        self.assertEqual(more["uploads"], n_batches + 3 * n_slices)
        self.assertLess(n_slices, 10)
        # An engine for each epoch, and none for a batch.
        self.assertLess(more["allocations"], 10)

    def test_a_training_is_interrupted_and_goes_on(self):
        os.environ["FOOTFALL_CUDA_DRIVER"] = str(compiled())
        connection = connect()
        self.addCleanup(connection.close)
        connection.execute(HISTORIES.format(n=400))
        timer = threading.Timer(2.5, connection.interrupt)
        timer.start()
        started = time.monotonic()
        with self.assertRaises(duckdb.InterruptException):
            connection.execute("SELECT count(*) " + TRAIN.format(settings="epochs := 10000, hidden := 8", device="cuda")).fetchall()
        timer.join()
        # A slice is a second; machines that run tests are busy.
        self.assertLess(time.monotonic() - started, 60)
        # By hand from the state of an epoch, which the processor could go on from too.
        connection.execute("CREATE TABLE packed AS FROM footfall.internal.training_set(histories, actions, user_id := u)")
        step = "SELECT train_start(dataset, {hidden: 8, epochs: 3, device: 'cuda'}) FROM packed"
        state, reports = one(connection, step)["state"], []
        while len(reports) < 3:
            report = connection.execute("SELECT train_epoch(?, dataset, 2) FROM packed", [state]).fetchone()[0]
            state = report["state"]
            reports += [report] if report["complete"] else []
        whole = "SELECT train_loss, validation_loss " + TRAIN.format(settings="hidden := 8, epochs := 3", device="cuda") + " ORDER BY epoch"
        by_hand = [(report["train_loss"], report["validation_loss"]) for report in reports]
        self.assertEqual(by_hand, connection.execute(whole).fetchall())
        predicted = connection.execute("SELECT predict_next(?, ['pv', 'cart']).action", [reports[-1]["model"]]).fetchone()[0]
        self.assertIn(predicted, ("pv", "cart", "buy"))

    def test_the_kits_script_demands_a_device_and_goes_on_after_a_failure(self):
        """Without the rest of the kit: what needs it fails."""

        def run(*sections, driver):
            with tempfile.TemporaryDirectory() as folder:
                shutil.copy(HERE.parent / "gpu/run.py", folder)
                shutil.copy(EXTENSION, folder)
                command = [sys.executable, Path(folder) / "run.py", "--small", "--output", Path(folder) / "told", "--only", *sections]
                environment = {**os.environ, "FOOTFALL_CUDA_DRIVER": str(driver)}
                ended = subprocess.run(command, env=environment, stdout=subprocess.DEVNULL).returncode
                return ended, [json.loads(line) for line in (Path(folder) / "told").read_text().splitlines()]

        code, records = run("engine_tests", driver="/nowhere/libcuda.so.1")
        self.assertEqual((code, [record["section"] for record in records]), (3, ["card"]))
        self.assertIn("no device: /nowhere/libcuda.so.1", records[0]["output"])
        code, records = run("engine_tests", "first_training", driver=compiled())
        self.assertEqual((code, [record["ok"] for record in records]), (1, [True, False, True]))
        self.assertEqual(records[0]["figures"][0]["card"], "Emulated")
        self.assertEqual([figures["kernels"] for figures in records[2]["figures"]], ["compiled", "cached"])


if __name__ == "__main__":
    unittest.main()
