#!/usr/bin/env python3
"""Check and time `device := 'cuda'` on the card of this machine, from the kit that `make gpu-kit` packs.

    python3 gpu-kit/run.py [--output gpu.jsonl] [--only SECTION ...] [--small]

Needs Python, a card and its driver, and no network; what else is there (PyTorch, compute-sanitizer, ncu) is found and used, and
what is not is said. Each section is a process of its own with a limit, all limits together below eight minutes; behind each a line of
JSON is appended to the output, with what was measured until a limit or a failure, and the next goes on. Exits with 3
where there is no device, with 1 where a section failed. `--small` is for an emulated driver: the least work of each kind.
"""

import argparse
import ctypes
import hashlib
import json
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import zipfile
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

KIT = Path(__file__).resolve().parent
EXTENSION = KIT / "footfall.duckdb_extension"
NO_DEVICE = 3
# Emulated kernels on machines that do other work, too.
PATIENCE = 5


def tell(**figures):
    """A line that the record of this section keeps."""
    print(json.dumps(figures), flush=True)


def find_tool(name):
    """The path of a tool of CUDA, which is often installed and seldom on the path."""
    folders = [Path("/usr/local"), Path("/opt/nvidia"), Path(os.environ.get("CUDA_HOME", "/usr/local/cuda"))]
    places = (place for folder in folders for pattern in (f"*/bin/{name}", f"bin/{name}", f"*/*/{name}") for place in sorted(folder.glob(pattern)))
    return shutil.which(name) or next((str(place) for place in places if os.access(place, os.X_OK)), None)


def card(_arguments):
    """What the card, its driver and the machine are."""
    name = os.environ["FOOTFALL_CUDA_DRIVER"]
    try:
        driver = ctypes.CDLL(name)
    except OSError as error:
        print(f"no device: {error}")
        return NO_DEVICE
    n, device, speaks, number = (ctypes.c_int() for _ in range(4))
    failed = driver.cuInit(0) or driver.cuDeviceGetCount(ctypes.byref(n)) or driver.cuDeviceGet(ctypes.byref(device), 0)
    if failed or n.value == 0:
        print(f"no device: {name} knows {n.value} cards (result {failed})")
        return NO_DEVICE
    text = ctypes.create_string_buffer(256)
    driver.cuDeviceGetName(text, 255, device)
    driver.cuDriverGetVersion(ctypes.byref(speaks))
    # As cuda.h numbers them.
    attributes = {"capability_major": 75, "capability_minor": 76, "multiprocessors": 16, "clock_khz": 13, "l2_bytes": 38}

    def attribute(what):
        return None if driver.cuDeviceGetAttribute(ctypes.byref(number), what, device) else number.value

    tell(card=text.value.decode(), cuda=speaks.value, **{name: attribute(what) for name, what in attributes.items()})
    query = "driver_version,memory.total,clocks.max.sm,power.limit,compute_mode"
    if tool := find_tool("nvidia-smi"):
        asked = subprocess.run([tool, f"--query-gpu={query}", "--format=csv,noheader"], text=True, capture_output=True)
        tell(nvidia_smi=dict(zip(query.split(","), asked.stdout.splitlines()[0].split(", "))) if asked.stdout else asked.stderr)
    try:
        torch = version("torch")
    except PackageNotFoundError:
        torch = None
    cpuinfo = Path("/proc/cpuinfo").read_text().splitlines() if os.path.exists("/proc/cpuinfo") else []
    processor = next((line.split(": ")[1] for line in cpuinfo if line.startswith("model name")), platform.processor())
    tell(processor=processor, processors=os.cpu_count(), load=os.getloadavg(), python=platform.python_version(), torch=torch)
    return 0


# A process of its own, because a process loads the kernels once.
FIRST = """
import sys, time, duckdb
def timed(statement):
    started = time.perf_counter()
    answer = connection.execute(statement).fetchall()
    return answer, time.perf_counter() - started
connection = duckdb.connect(config={"allow_unsigned_extensions": "true"})
_, load = timed(f"LOAD '{sys.argv[1]}'")
devices, asked = timed("SELECT footfall_devices()")
connection.execute("SET enable_progress_bar = false")
connection.execute("CREATE TABLE histories AS SELECT u, list_transform(range(12), lambda i: ['pv', 'cart'][1 + (i * i + u) % 2]) AS actions FROM range(60) r(u)")
train = "SELECT device, train_loss FROM footfall.train(histories, actions, hidden := 8, epochs := 1, user_id := u, device := 'cuda')"
(first,), first_seconds = timed(train)
(again,), again_seconds = timed(train)
assert first[0] == "cuda" and first == again, (first, again)
import json
print(json.dumps({"duckdb": duckdb.__version__, "load_seconds": load, "devices": devices[0][0], "devices_seconds": asked,
                  "first_training_seconds": first_seconds, "second_training_seconds": again_seconds}))
"""


def first_training(_arguments):
    """LOAD and what the first training waits for, with the driver's cache of compiled kernels empty and full."""
    with tempfile.TemporaryDirectory() as cache:
        for kernels in ("compiled", "cached"):
            asked = subprocess.run([sys.executable, "-c", FIRST, EXTENSION], text=True, stdout=subprocess.PIPE, env={**os.environ, "CUDA_CACHE_PATH": cache})
            if asked.returncode:
                return asked.returncode
            # LOAD may have drawn a progress bar before it.
            tell(kernels=kernels, **json.loads(asked.stdout[asked.stdout.index('{"duckdb"') :]))
    return 0


def engine_tests(arguments):
    """The tests of the engines and of training, on this device instead of an emulated one."""
    failed = 0
    for binary, few in (("network", ["at_every_size", "that_no_kernel_has"]), ("training", ["a_missing_device"])):
        command = [KIT / "bin" / binary, *(few if arguments.small else [])]
        asked = subprocess.run(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        counts = re.search(r"test result: \w+\. (\d+) passed; (\d+) failed", asked.stdout)
        complaints = [line for line in asked.stdout.splitlines() if "panicked at" in line or "instead of" in line]
        tell(
            tests=binary,
            passed=int(counts[1]) if counts else None,
            failed=re.findall(r"^test (\w+) .*FAILED$", asked.stdout, re.M),
            complaints=complaints[:20],
        )
        if asked.returncode or not counts or not int(counts[1]):
            print(asked.stdout[-3000:])
            failed = 1
    return failed


def sql_tests(_arguments):
    """The SQL tests that ask for a device."""
    command = [sys.executable, KIT / "tests/run_sql.py", "--extension", EXTENSION, "--duckdb", os.environ["FOOTFALL_DUCKDB"]]
    asked = subprocess.run([*command, *sorted((KIT / "tests/sql").glob("**/*.test"))], text=True, stdout=subprocess.PIPE)
    counts = re.search(r"(\d+) passed, (\d+) failed, (\d+) skipped\n\Z", asked.stdout)
    tell(**dict(zip(("passed", "failed", "skipped"), map(int, counts.groups()))) if counts else {})
    if asked.returncode or not counts or not int(counts[1]):
        print(asked.stdout)
        return 1
    return 0


def losses(arguments):
    """How far apart losses and predictions of processor and card are, and whether a card gives the same bytes twice."""
    import duckdb

    connection = duckdb.connect(config={"allow_unsigned_extensions": "true"})
    connection.execute(f"LOAD '{EXTENSION}'")
    connection.execute("SET enable_progress_bar = false")
    n_users, hidden, all_layers = (60, 8, [2]) if arguments.small else (1500, 64, [1, 3])
    connection.execute(f"CREATE TABLE events AS FROM footfall.generate_events(users := {n_users}, days := 5, seed := 1)")
    connection.execute("CREATE TABLE histories AS FROM footfall.sequences(events, user_id, action, ts)")
    failed = 0
    for cell in ("rnn", "gru", "lstm"):
        for layers in all_layers:
            settings = f"architecture := '{cell}', layers := {layers}, hidden := {hidden}, dropout := 0.1, epochs := 2, max_length := 50, user_id := user_id"

            def run(device):
                trained = f"FROM footfall.train(histories, actions, {settings}, device := '{device}') ORDER BY epoch"
                return connection.execute(f"SELECT train_loss, validation_loss, model, seconds {trained}").fetchall()

            ours, again, theirs = run("cuda"), run("cuda"), run("cpu")
            same_bytes = [row[2] for row in ours] == [row[2] for row in again]
            predicted = "SELECT max(abs(predict_next($1, actions).probability - predict_next($2, actions).probability)) FROM histories"
            apart = [max(abs(a[place] - b[place]) for a, b in zip(ours, theirs)) for place in (0, 1)]
            apart += connection.execute(predicted, [ours[-1][2], theirs[-1][2]]).fetchone()
            tell(
                cell=cell, layers=layers, hidden=hidden, users=n_users, same_bytes=same_bytes, train_loss=ours[-1][0],
                train_loss_apart=apart[0], validation_loss_apart=apart[1], probability_apart=apart[2],
                cuda_seconds=again[-1][3], cpu_seconds=theirs[-1][3],
            )
            # Rounding differs, and two epochs multiply it.
            failed |= not same_bytes or max(apart) > 1e-3
    return int(failed)


def timings(arguments):
    """What `benches/gpu.py` measures."""
    command = [sys.executable, KIT / "benches/gpu.py", "--engine", KIT / "bin/engine"]
    return subprocess.run([*command, *(["--small"] if arguments.small else [])]).returncode


def steps(cells, folder, hidden, n_sequences, longest):
    """What `bin/engine` is told for two steps of each cell, in two layers with dropout."""
    batches = Path(folder) / "batches"
    sequence = "".join(str(i * i % 5) for i in range(2 * longest))
    batch = "\n".join(sequence[i % longest :][: 2 + i % (longest - 1)] for i in range(n_sequences))
    batches.write_text(f"{batch}\n\n{batch}\n")
    return "".join(f"train resident {cell} 32 {hidden} 2 0.2 1 {batches}\n" for cell in cells)


def with_tool(tool, options, task):
    """Output of `bin/engine` under a tool of CUDA; None where there is no such tool."""
    path = find_tool(tool)
    if path is None:
        tell(skipped=f"no {tool}")
        return None
    asked = subprocess.run([path, *options, KIT / "bin/engine"], input=task, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if asked.returncode:
        print(asked.stdout[-3000:])
        sys.exit(1)
    return asked.stdout


def sanitizer(check):
    def section(_arguments):
        with tempfile.TemporaryDirectory() as folder:
            task = steps(("rnn", "gru", "lstm"), folder, hidden=40, n_sequences=40, longest=10)
            told = with_tool("compute-sanitizer", ["--tool", check, "--error-exitcode", "9"], task)
        if told is not None:
            tell(check=check, summary=re.findall(r"=+ (.*SUMMARY.*)", told))
        return 0

    section.__doc__ = f"compute-sanitizer's {check} over a few steps of each cell."
    return section


def profile(_arguments):
    """Every launch of the second step of an LSTM of two layers, 256 histories of up to 50 steps."""
    metrics = {
        "gpu__time_duration.sum": "time",
        "launch__registers_per_thread": "registers",
        "sm__throughput.avg.pct_of_peak_sustained_elapsed": "compute_percent",
        "gpu__compute_memory_throughput.avg.pct_of_peak_sustained_elapsed": "memory_percent",
        "sm__warps_active.avg.pct_of_peak_sustained_active": "occupancy_percent",
    }
    # A step of two layers is 13 launches; before them lies the first.
    options = ["--clock-control", "none", "--csv", "--metrics", ",".join(metrics), "--launch-skip", "13", "--launch-count", "13"]
    with tempfile.TemporaryDirectory() as folder:
        told = with_tool("ncu", options, steps(("lstm",), folder, hidden=64, n_sequences=256, longest=50))
    if told is None:
        return 0
    kernels = {}
    # "ID","Process ID",...,"Kernel Name",...,"Metric Name","Metric Unit","Metric Value"
    for line in told.splitlines():
        fields = re.findall(r'"((?:[^"]|"")*)"', line)
        if len(fields) > 6 and fields[-3] in metrics:
            kernels.setdefault((fields[0], fields[4]), {})[metrics[fields[-3]]] = f"{fields[-1]} {fields[-2]}"
    for (_, kernel), figures in kernels.items():
        tell(kernel=kernel, **figures)
    if not kernels:
        print(told[-3000:])
    return int(not kernels)


# With the seconds that each may take: 475 in all.
SECTIONS = {
    "card": (card, 20),
    "first_training": (first_training, 45),
    "engine_tests": (engine_tests, 90),
    "sql_tests": (sql_tests, 40),
    "losses": (losses, 40),
    "timings": (timings, 130),
    "memcheck": (sanitizer("memcheck"), 40),
    "racecheck": (sanitizer("racecheck"), 40),
    "profile": (profile, 30),
}


def as_figures(line):
    try:
        figures = json.loads(line)
    except ValueError:
        return None
    return figures if isinstance(figures, dict) else None


def run(name, arguments):
    """A section in a process of its own: its record."""
    limit = SECTIONS[name][1] * (PATIENCE if arguments.small else 1)
    command = [sys.executable, __file__, "--section", name, *(["--small"] if arguments.small else [])]
    started = time.monotonic()
    with tempfile.TemporaryFile("w+") as told:
        process = subprocess.Popen(command, stdout=told, stderr=subprocess.STDOUT, start_new_session=True)
        try:
            error = process.wait(limit)
        except subprocess.TimeoutExpired:
            # What it started, too.
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            error = f"ran past {limit} s"
        told.seek(0)
        lines = told.read().splitlines()
    figures = [kept for kept in map(as_figures, lines) if kept is not None]
    text = "\n".join(line for line in lines if as_figures(line) is None)
    record = {"section": name, "ok": error == 0, "seconds": round(time.monotonic() - started, 2), "figures": figures}
    return record if error == 0 else {**record, "error": error, "output": text[-3000:]}


def unpacked_duckdb(folder):
    """Makes the kit's DuckDB importable here, if it is for this Python; otherwise one that is installed."""
    ours = sys.version_info[:2]
    for wheel in sorted((KIT / "wheels").glob("duckdb-*.whl")):
        python, abi = wheel.name.split("-")[2:4]
        theirs = (int(python[2]), int(python[3:]))
        if theirs == ours or (abi == "abi3" and theirs <= ours):
            zipfile.ZipFile(wheel).extractall(folder)
            return str(folder)
    installed = find_spec("duckdb")
    if installed:
        return str(Path(installed.origin).parent.parent)
    print(f"No DuckDB for Python {platform.python_version()}: sections with SQL will fail. `make gpu-kit GPU_PYTHON={ours[0]}.{ours[1]}` packs one.")
    return None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=Path("gpu.jsonl"))
    parser.add_argument("--only", nargs="+", choices=SECTIONS, default=list(SECTIONS), metavar="SECTION", help=", ".join(SECTIONS))
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--section", choices=SECTIONS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    os.environ.setdefault("FOOTFALL_CUDA_DRIVER", "libcuda.so.1")
    if arguments.section:
        sys.exit(SECTIONS[arguments.section][0](arguments))

    failed = []
    with tempfile.TemporaryDirectory() as folder, arguments.output.open("a") as output:
        # Kernels that one section had compiled are the next one's, also where there is no home to keep them in.
        os.environ["CUDA_CACHE_PATH"] = str(Path(folder) / "kernels")
        duckdb = unpacked_duckdb(Path(folder) / "duckdb")
        if duckdb:
            os.environ["FOOTFALL_DUCKDB"] = duckdb
            os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [duckdb, os.environ.get("PYTHONPATH")]))
        hashes = {"extension": hashlib.sha256(EXTENSION.read_bytes()).hexdigest(), "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}
        # The card is asked in any case: without one nothing else says anything.
        for name in dict.fromkeys(["card", *arguments.only]):
            record = run(name, arguments)
            output.write(json.dumps({**hashes, **record}) + "\n")
            output.flush()
            print(json.dumps(record, indent=1) if not record["ok"] else f"{name}: {record['seconds']} s", flush=True)
            for figures in record["figures"] if record["ok"] else []:
                print("   " + ", ".join(f"{key} {value}" for key, value in figures.items()))
            if record.get("error") == NO_DEVICE:
                sys.exit(NO_DEVICE)
            failed += [] if record["ok"] else [name]
    print(f"failed: {', '.join(failed)}" if failed else f"all sections passed; figures in {arguments.output}")
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
