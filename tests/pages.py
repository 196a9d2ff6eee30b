"""Writes the pages that hold what the extension prints, or checks them.

    python3 tests/pages.py --duckdb DIR --extension PATH [--check]

- sql/reference.md: every function, from the comments in sql/*.sql: summary, explanation, parameters, example, in the
  order of the README's wishes. Each example is executed, and its output printed under it.
- sql/pipeline.md: sql/pipeline.sql run on a synthetic shop, statement by statement.
- extension/function_descriptions.csv: the same in one line for each function, for DuckDB's pages of community extensions.
- sql/tutorial.md and sql/errors.md: their blocks of SQL are executed one after the other, and a block of text under one is what its last
  statement printed, or the error that it gave: the latter in sql/errors.md alone, and there always.
- README.md: in its blocks of SQL that are followed by a block of text, the text is what the last statement printed.

`--check` fails when a function lacks one of its parts or a SQL test that names it, when an example fails, or when a
page is not what would be written. Networks differ between processors in the last digits of their weights, so their
numbers in the pipeline are compared to within a tenth.
"""

import argparse
import collections
import csv
import datetime
import io
import pathlib
import re
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
SQL = ROOT / "sql"
SHAPE = re.compile(r"(?P<summary>[^\n]+\.)\n\n(?:(?P<text>.*?)\n\n)?Parameters:\n(?P<parameters>.*?)\n\nExample:\n(?P<example>.*)", re.S)
# A block of SQL and the block of text under it.
PRINTED = re.compile(r"```sql\n(?P<sql>.*?)```\n\n```text\n.*?```", re.S)
# A block of SQL, and the block of text under it where there is one.
BLOCK = re.compile(r"```sql\n(?P<sql>.*?)```(?P<printed>\n\n```text\n.*?```)?", re.S)
# A stage of the pipeline: its number and title, what else its comment says, and its statements.
STAGE = re.compile(r"^-- (?P<number>\d+)\. (?P<title>.*?[.?]) ?(?P<text>.*\n(?:--.*\n)*)(?P<sql>(?:.*\n)*?)(?=-- \d+\. |\Z)", re.M)
# A row of the README's table of wishes, and the functions that it names.
WISH = re.compile(r"^\| (?!I want)(?!---)([^|]+) \| (.*) \|$", re.M)
Function = collections.namedtuple("Function", "name schema type parameters comment")
# From this stage on networks are at work.
FIRST_NETWORK = 7
N_ROWS_SHOWN = 24
HOUR, MINUTE = datetime.timedelta(hours=1), datetime.timedelta(minutes=1)
# A synthetic shop as a file in the Taobao format, as `make demo` writes it.
SHOP = """
    COPY (
        SELECT user_id, item_id, category_id, action, epoch(ts - INTERVAL 8 HOURS)::BIGINT
        FROM footfall.generate_events(users := 1000, seed := 42) ORDER BY ALL
    ) TO '{path}' (HEADER false)
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--duckdb", required=True, help="folder with an installed duckdb wheel")
    parser.add_argument("--extension", required=True)
    parser.add_argument("--check", action="store_true")
    arguments = parser.parse_args()
    sys.path.insert(0, arguments.duckdb)
    problems = []
    pages = {
        SQL / "reference.md": (reference(connect(arguments.extension), problems), str.__eq__),
        ROOT / "extension" / "function_descriptions.csv": (descriptions(connect(arguments.extension)), str.__eq__),
        SQL / "pipeline.md": (pipeline(connect(arguments.extension)), is_the_same_run),
        SQL / "tutorial.md": (walked(connect(arguments.extension), SQL / "tutorial.md"), are_near),
        SQL / "errors.md": (walked(connect(arguments.extension), SQL / "errors.md", error_of), str.__eq__),
        ROOT / "README.md": (readme(connect(arguments.extension)), str.__eq__),
    }
    for path, (page, is_same) in pages.items():
        if not arguments.check:
            path.write_text(page)
        elif not path.exists() or not is_same(path.read_text(), page):
            problems.append(f"{path.relative_to(ROOT)} is not up to date: run `make pages`")
    for problem in problems:
        print(f"pages: {problem}", file=sys.stderr)
    print(f"pages: {len(pages)}, {len(problems)} problems")
    sys.exit(bool(problems))


def connect(extension):
    import duckdb

    connection = duckdb.connect(config={"allow_unsigned_extensions": True})
    # One thread: the rows of an example without ORDER BY come in one order.
    connection.execute("SET threads = 1")
    connection.execute(f"LOAD '{extension}'")
    return connection


def readme(connection):
    """README.md with the output of its examples, which follow one another in one session."""

    def run(match):
        result = last_result(connection, match["sql"])
        return "\n".join([f"```sql\n{match['sql']}```", "", "```text", *table(*result), "```"])

    return PRINTED.sub(run, (ROOT / "README.md").read_text())


def last_table(connection, sql):
    """The lines of what the last of some statements gives."""
    return table(*last_result(connection, sql))


def error_of(connection, sql):
    """The line of the error that some statements end with."""
    try:
        last_result(connection, sql)
    except Exception as error:  # whatever DuckDB raises is shown
        return [str(error).splitlines()[0]]
    raise SystemExit(f"pages: sql/errors.md promises an error of: {sql}")


def walked(connection, path, lines_of=last_table):
    """A page whose blocks of SQL follow one another in one session, with what those print that have a block of text."""

    def run(match):
        if match["printed"] is None:
            last_result(connection, match["sql"])
            return match[0]
        return "\n".join([f"```sql\n{match['sql']}```", "", "```text", *lines_of(connection, match["sql"]), "```"])

    return BLOCK.sub(run, path.read_text())


def last_result(connection, sql):
    """Columns and rows of the last of some statements. LOAD is done already."""
    statements = [statement for statement in connection.extract_statements(sql) if not statement.query.lstrip().startswith("LOAD")]
    for statement in statements[:-1]:
        connection.execute(statement)
    return printed(connection, statements[-1].query)


def printed(connection, query):
    """Columns and rows of a query, read to the end."""
    result = connection.execute(query)
    return [column[0] for column in result.description], result.fetchall()


def pipeline(connection):
    """The page of sql/pipeline.sql: each stage with its statements and what they print."""
    text = (SQL / "pipeline.sql").read_text()
    lines = [
        "# The pipeline on a synthetic shop",
        "",
        "What [pipeline.sql](pipeline.sql) prints, written by `make pages`: 1,000 users of the generator, as `make demo` has them. Each",
        "stage ends with a sentence made from its numbers. With your file the same stages run by `make demo EVENTS=FILE`.",
        "",
    ]
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "events.csv"
        connection.execute(SHOP.format(path=path))
        connection.execute(f"SET VARIABLE events = '{path}'")
        for stage in STAGE.finditer(text):
            lines += [f"## {stage['number']}. {stage['title']}", ""]
            if said := " ".join(line.removeprefix("--").strip() for line in stage["text"].splitlines()).strip():
                lines += [said, ""]
            lines += stage_lines(connection, stage["sql"])
    return "\n".join(lines)


def stage_lines(connection, sql):
    """Statements up to one that prints stand in one block, with its output under it; a sentence stands as a quotation."""
    lines, block = [], []
    # In this file a line that ends in a semicolon ends a statement.
    for query in re.findall(r"\S.*?;$", sql, re.M | re.S):
        block.append(query)
        columns, rows = printed(connection, query)
        if re.match(r"(--.*\n)*CREATE ", query):
            continue
        if columns == ["found"]:
            lines += ["> " + " ".join(row[0].strip() for row in rows), ""]
        else:
            lines += ["```sql", "\n\n".join(block), "```", "", "```text", *table(columns, rows[:N_ROWS_SHOWN])]
            lines += [f"({len(rows)} rows)"] if len(rows) > N_ROWS_SHOWN else []
            lines += ["```", ""]
        block = []
    return lines


def is_the_same_run(page, other):
    """Whether two pages of the pipeline agree, from the first network on to within the differences between processors."""
    start = f"\n## {FIRST_NETWORK}. "
    exact, networks = (list(part) for part in zip(*((text.partition(start)[0], text.partition(start)[2]) for text in (page, other))))
    return exact[0] == exact[1] and are_near(*networks)


def are_near(page, other):
    words = [re.findall(r"[\w.%-]+", text) for text in (page, other)]
    return len(words[0]) == len(words[1]) and all(map(is_near, *words))


def is_near(word, other):
    try:
        a, b = (float(text.rstrip(".%")) for text in (word, other))
    except ValueError:
        return word == other
    return abs(a - b) <= 0.1 * abs(a) + 0.05


def functions_by_file():
    """Each file of sql/ with its title and the functions it creates for users, in order."""
    files = {}
    for path in sorted(SQL.glob("[0-9]*.sql")):
        sql = path.read_text()
        title = sql.split("\n", 1)[0].removeprefix("--").strip()
        files[title] = list(dict.fromkeys(re.findall(r"^CREATE MACRO footfall\.main\.(\w+)", sql, re.M)))
    return files


def functions_by_wish():
    """The functions for users under the wishes of the README, in its order; one that is in no wish stands where its neighbour in sql/ does."""
    files, wishes = functions_by_file(), {}
    neighbours = {name: names for names in files.values() for name in names}
    for wish, calls in WISH.findall((ROOT / "README.md").read_text()):
        wishes[wish[0].upper() + wish[1:]] = list(dict.fromkeys(name for name in re.findall(r"(\w+)\(", calls) if name in neighbours))
    of_wish = {name: names for names in wishes.values() for name in names}
    for title, names in files.items():
        before = next((name for name in names if name in of_wish), None)
        for name in names:
            if name in of_wish:
                before = name
                continue
            group = of_wish[before] if before else wishes.setdefault(title, [])
            group.insert(group.index(before) + 1 if before else len(group), name)
            of_wish[name], before = group, name
    return {wish: names for wish, names in wishes.items() if names}


def descriptions(connection):
    """Name, summary, text and example of every function for users, without line breaks: some readers take a line for a row."""
    lines = io.StringIO()
    writer = csv.writer(lines, lineterminator="\n")
    writer.writerow(["function", "description", "comment", "example"])
    for name, function in sorted(catalogue_of(connection).items()):
        if function.schema == "main" and (shape := SHAPE.fullmatch(function.comment or "")):
            writer.writerow([name, *(" ".join((shape[part] or "").split()) for part in ("summary", "text", "example"))])
    return lines.getvalue()


def catalogue_of(connection):
    """Kind, parameters and comment of every function by its name; a report in parts has its schema in its name."""
    rows = connection.execute(
        "SELECT CASE WHEN schema_name IN ('partial', 'merged') THEN schema_name || '.' ELSE '' END || function_name AS name,"
        " any_value(schema_name), any_value(function_type), arg_max(parameters, len(parameters)), any_value(comment)"
        " FROM duckdb_functions() WHERE database_name = 'footfall' GROUP BY name"
    ).fetchall()
    return {name: Function(name, *row) for name, *row in rows}


def reference(connection, problems):
    catalogue = catalogue_of(connection)
    scalars = in_system(connection)
    tests = "\n".join(path.read_text() for path in (ROOT / "tests" / "sql").rglob("*.test"))
    problems += [f"{name} is registered and has no macro in sql/" for name in sorted(scalars - set(catalogue))]
    index, sections = [], []

    def put(name, is_shown):
        function = catalogue.get(name)
        shape = function and SHAPE.fullmatch(function.comment or "")
        if not shape:
            problems.append(f"{name}: not in duckdb_functions(), or its comment lacks a summary, 'Parameters:' or 'Example:'")
            return
        full = name if function.type == "macro" and name in scalars else f"footfall.{name}".replace(".", ".internal." if function.schema == "internal" else ".")
        text = section(connection, name, full, function.parameters, shape, problems)
        index.append(f"| [`{full}`](#{name}) | {shape['summary']} |" if is_shown else f"| `{full}` | {shape['summary']} |")
        sections.extend([text] if is_shown else [])

    for wish, names in functions_by_wish().items():
        index.append(f"\n**{wish}**\n\n| function | |\n| --- | --- |")
        for name in names:
            put(name, is_shown=True)
            if not re.search(rf"\b{name}\b", tests):
                problems.append(f"{name}: no file of tests/sql names it")
    index.append("\n**Reports of parts, and of parts put together**\n\n| function | |\n| --- | --- |")
    in_parts = (name for name, function in catalogue.items() if function.schema in ("partial", "merged"))
    for name in sorted(in_parts, key=lambda name: (name.split(".")[1], name.startswith("merged"))):
        put(name, is_shown=True)
    index.append("\n**What the others are made of**: not for users, and may change\n\n| function | |\n| --- | --- |")
    internal = sorted(name for name, function in catalogue.items() if function.schema == "internal")
    # Those in Rust first: they are known without a schema too, and so somebody may come upon them.
    for name in sorted(internal, key=lambda name: name not in scalars):
        put(name, is_shown=name in scalars)
    head = (
        "# Reference\n\nEvery function of the extension. Written by `make pages` from the comments in `sql/`, which "
        "`duckdb_functions()` shows too; the output under each example is what it printed.\n\n"
        "Functions without a schema are scalars for everywhere; the others are macros in the database `footfall`, which "
        "`LOAD` attaches in memory. A table argument is a bare name: a table, view, CTE, or a file in quotes.\n"
    )
    return head + "\n".join(index) + "\n\n" + "\n".join(sections)


def in_system(connection):
    """The names that LOAD has put into DuckDB's own catalogue."""
    import duckdb

    query = "SELECT DISTINCT function_name FROM duckdb_functions() WHERE database_name = 'system'"
    without = set(duckdb.connect().execute(query).fetchall())
    return {name for (name,) in set(connection.execute(query).fetchall()) - without}


def section(connection, name, full, parameters, shape, problems):
    lines = [f'<a id="{name}"></a>', f"## {full}({', '.join(parameters)})", "", shape["summary"], ""]
    if shape["text"]:
        lines += [shape["text"], ""]
    if shape["parameters"] != "none":
        lines += [shape["parameters"], ""]
    lines += ["```sql", shape["example"], "```", ""]
    try:
        output = table(*printed(connection, shape["example"]))
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
    if isinstance(value, datetime.timedelta):
        return f"{value // HOUR:02}:{value % HOUR // MINUTE:02}:{(value % MINUTE).total_seconds():02g}"
    if isinstance(value, bytes):
        return "".join(f"\\x{byte:02X}" for byte in value)
    if isinstance(value, list):
        return "[" + ", ".join(text(item) for item in value) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {text(item)}" for key, item in value.items()) + "}"
    return str(value)


if __name__ == "__main__":
    main()
