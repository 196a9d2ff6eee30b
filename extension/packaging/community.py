"""Writes what is submitted to DuckDB's community extensions: the folder extensions/footfall of that repository.

    python3 extension/packaging/community.py --github OWNER/NAME --maintainer NAME --output build/community

The commit that is built there is the one that is checked out here, and must be at OWNER/NAME.
"""

import argparse
import re
import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "extension"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--github", required=True, metavar="OWNER/NAME")
    parser.add_argument("--maintainer", required=True, action="append", help="name on GitHub; may be given several times")
    parser.add_argument("--output", type=Path, required=True)
    arguments = parser.parse_args()
    commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, text=True, check=True, stdout=subprocess.PIPE).stdout.strip()
    folder = arguments.output / "extensions" / "footfall"
    (folder / "docs").mkdir(parents=True, exist_ok=True)
    text = description((SOURCE / "description.yml").read_text(), arguments.github, commit, arguments.maintainer)
    (folder / "description.yml").write_text(text)
    shutil.copy(SOURCE / "function_descriptions.csv", folder / "docs")
    print(f"{folder}: commit {commit}")


def description(text, github, commit, maintainers):
    """The description with what only a person knows: who maintains it, and where its source is."""
    named = "  maintainers:\n" + "".join(f"    - {name}\n" for name in maintainers)
    return re.sub(r"(?m)^docs:\n", f"{named}repo:\n  github: {github}\n  ref: {commit}\ndocs:\n", text, count=1)


if __name__ == "__main__":
    main()
