#!/usr/bin/env python3
"""Pack what a machine with a card and Python, but without Rust, needs to check and time `device := 'cuda'`: `make gpu-kit`.

    python3 tests/gpu/kit.py --extension FILE --wheel FILE --output gpu-kit.tar.gz

Builds the tests of the engines and the bench with cargo, and packs them stripped with the extension, DuckDB's wheel, the SQL tests that ask
for a device, and the scripts. There `tar xzf gpu-kit.tar.gz && python3 gpu-kit/run.py` does the rest.
"""

import argparse
import sys
import tarfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.append(str(ROOT / "tests/emulated"))
from build import executables

# Paths in the kit are those of the repository, but for what is started.
SCRIPTS = {"run.py": "tests/gpu/run.py", **{path: path for path in ("tests/run_sql.py", "benches/gpu.py", "benches/engine.py", "benches/peers/gpu_torch.py")}}
MOST_BYTES = 50_000_000


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--extension", required=True, type=Path)
    parser.add_argument("--wheel", required=True, type=Path)
    parser.add_argument("--output", required=True, type=Path)
    given = parser.parse_args()
    files = {to: ROOT / path for to, path in SCRIPTS.items()}
    # The release profile strips.
    files |= {f"bin/{name}": file for name, file in executables("--test", "network", "--test", "training", "--bench", "engine").items()}
    files |= {str(test.relative_to(ROOT)): test for test in sorted((ROOT / "tests/sql/gpu").glob("*.test"))}
    files |= {"footfall.duckdb_extension": given.extension, f"wheels/{given.wheel.name}": given.wheel}
    given.output.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(given.output, "w:gz", compresslevel=3) as kit:
        for to, file in files.items():
            kit.add(file, f"gpu-kit/{to}")
    size = given.output.stat().st_size
    print(f"{given.output}: {size / 1e6:.1f} MB for a Python that {given.wheel.name} is for")
    if size > MOST_BYTES:
        sys.exit(f"allowed: {MOST_BYTES / 1e6:.0f} MB")


if __name__ == "__main__":
    main()
