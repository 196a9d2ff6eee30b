"""Writes sql/reference.md from the comments of the loaded functions, or checks it.

    python3 tests/reference.py --duckdb DIR --extension PATH [--check]

The comments in sql/*.sql are the one source: summary, explanation, parameters, example. Each example is
executed, and its output printed under it. `--check` fails when a function lacks one of these parts or a
SQL test that names it, when an example fails, or when the file is not what would be written.
"""

import argparse
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
TARGET = ROOT / "sql" / "reference.md"
SHAPE = re.compile(r"(?P<summary>[^\n]+\.)\n\n(?:(?P<text>.*?)\n\n)?Parameters:\n(?P<parameters>.*?)\n\nExample:\n(?P<example>.*)", re.S)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--duckdb", required=True, help="folder with an installed duckdb wheel")
    parser.add_argument("--extension", required=True)
    parser.add_argument("--check", action="store_true")
    arguments = parser.parse_args()
    sys.path.insert(0, arguments.duckdb)
    import duckdb

    connection = duckdb.connect(config={"allow_unsigned_extensions": True})
    # One thread: the rows of an example without ORDER BY come in one order.
    connection.execute("SET threads = 1")
    connection.execute(f"LOAD '{arguments.extension}'")
    problems = []
    page = reference(connection, problems)
    if not arguments.check:
        TARGET.write_text(page)
    elif TARGET.read_text() != page:
        problems.append("sql/reference.md is not up to date: run `make reference`")
    for problem in problems:
        print(f"reference: {problem}", file=sys.stderr)
    print(f"reference: {len(functions_by_file(connection))} files of functions, {len(problems)} problems")
    sys.exit(bool(problems))


def functions_by_file(connection):
    """Each file of sql/ with its title and the functions it creates for users, in order."""
    files = []
    for path in sorted((ROOT / "sql").glob("0*.sql")):
        sql = path.read_text()
        title = sql.split("\n", 1)[0].removeprefix("--").strip()
        names = list(dict.fromkeys(re.findall(r"^CREATE MACRO footfall\.main\.(\w+)", sql, re.M)))
        files.append((path.name, title, names))
    return files


def reference(connection, problems):
    rows = connection.execute(
        "SELECT function_name, any_value(if(schema_name = 'main', '', 'internal ') || function_type), arg_max(parameters, len(parameters)), any_value(comment)"
        " FROM duckdb_functions() WHERE database_name = 'footfall' GROUP BY ALL"
    ).fetchall()
    catalogue = {name: (kind, parameters, comment or "") for name, kind, parameters, comment in rows}
    globals_ = {name for (name,) in connection.execute(
        "SELECT DISTINCT function_name FROM duckdb_functions() WHERE database_name = 'system'"
    ).fetchall()}
    tests = "\n".join(path.read_text() for path in (ROOT / "tests" / "sql").rglob("*.test"))
    index, sections = [], []
    for file, title, names in functions_by_file(connection):
        if not names:
            continue
        index.append(f"\n**{title}** ([`{file}`]({file}))\n\n| function | |\n| --- | --- |")
        for name in names:
            if name not in catalogue:
                problems.append(f"{name} of {file} is not in duckdb_functions()")
                continue
            kind, parameters, comment = catalogue[name]
            shape = SHAPE.fullmatch(comment)
            if not shape:
                problems.append(f"{name}: its comment lacks a summary, 'Parameters:' or 'Example:'")
                continue
            if not re.search(rf"\b{name}\b", tests):
                problems.append(f"{name}: no file of tests/sql names it")
            full = name if kind == "macro" and name in globals_ else f"footfall.{name}"
            index.append(f"| [`{full}`](#{name}) | {shape['summary']} |")
            sections.append(section(connection, name, full, parameters, shape, problems))
    index.append("\n**What the others are made of**: not for users, and may change\n\n| function | |\n| --- | --- |")
    for name, (kind, parameters, comment) in sorted(catalogue.items()):
        if (shape := SHAPE.fullmatch(comment)) and kind.startswith("internal "):
            index.append(f"| `footfall.internal.{name}` | {shape['summary']} |")
            section(connection, name, name, parameters, shape, problems)
        elif kind.startswith("internal "):
            problems.append(f"{name}: its comment lacks a summary, 'Parameters:' or 'Example:'")
    head = (
        "# Reference\n\nEvery function of the extension. Written by `make reference` from the comments in `sql/`, which "
        "`duckdb_functions()` shows too; the output under each example is what it printed.\n\n"
        "Functions without a schema are scalars for everywhere; the others are macros in the database `footfall`, which "
        "`LOAD` attaches in memory. A table argument is a bare name: a table, view, CTE, or a file in quotes.\n"
    )
    return head + "\n".join(index) + "\n\n" + "\n".join(sections)


def section(connection, name, full, parameters, shape, problems):
    lines = [f'<a id="{name}"></a>', f"## {full}({', '.join(parameters)})", "", shape["summary"], ""]
    if shape["text"]:
        lines += [shape["text"], ""]
    if shape["parameters"] != "none":
        lines += [shape["parameters"], ""]
    lines += ["```sql", shape["example"], "```", ""]
    try:
        result = connection.sql(shape["example"])
        output = table(result.columns, result.fetchall())
    except Exception as error:  # whatever DuckDB raises is the finding
        problems.append(f"{name}: its example fails: {str(error).splitlines()[0]}")
        return "\n".join(lines)
    return "\n".join(lines + ["```text", *output, "```", ""])


def table(columns, rows):
    cells = [list(columns)] + [["NULL" if value is None else text(value) for value in row] for row in rows]
    widths = [max(len(row[column]) for row in cells) for column in range(len(columns))]
    lines = [" │ ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in cells]
    return [lines[0], "─┼─".join("─" * width for width in widths), *lines[1:]]


def text(value):
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, bytes):
        return "".join(f"\\x{byte:02X}" for byte in value)
    if isinstance(value, list):
        return "[" + ", ".join(text(item) for item in value) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {text(item)}" for key, item in value.items()) + "}"
    return str(value)


if __name__ == "__main__":
    main()
