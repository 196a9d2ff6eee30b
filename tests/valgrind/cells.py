"""Every STEP-th cell of the matrix of each function that is written in Rust; what comes out is judged in `make test`.

    python3 tests/valgrind/cells.py STEP
"""

import itertools
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "clients"))
import test_matrix as matrix
from client import connect


def main():
    step = int(sys.argv[1])
    n_values = n_errors = 0
    with tempfile.TemporaryDirectory() as folder, connect() as connection:
        connection.execute(matrix.SETUP.format(folder=folder))
        functions = matrix.catalogue(connection)
        for name in sorted(matrix.scalars(connection) | {"generate_events"}):
            cells = matrix.cells(name, *functions[name], is_rust=True)
            for _, sql in itertools.islice(cells, 0, None, step):
                try:
                    connection.execute(sql.replace("{folder}", folder)).fetchall()
                    n_values += 1
                except Exception:  # most cells are there to be refused
                    n_errors += 1
    print(f"cells: {n_values} values, {n_errors} errors")


if __name__ == "__main__":
    main()
