"""What is linked into the binary: a bill of materials (CycloneDX 1.6) and the licences.

    python3 extension/packaging/bill_of_materials.py FOLDER

Asks cargo, so it needs the sources that a build has fetched, and no network. The C library and the C++ runtime are the
system's own and no part of the binary.
"""

import json
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BILL = "footfall.cdx.json"
LICENCES = "THIRD_PARTY_LICENSES.txt"
EXTENSION = "footfall-extension"
LICENCE_FILES = re.compile(r"(licen[cs]e|copying|copyright|notice|unlicense)", re.I)
RULE = "=" * 100


def main():
    [folder] = map(Path, sys.argv[1:])
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files().items():
        (folder / name).write_bytes(text)


def files():
    """Both files by their names, as bytes."""
    (ours, packages), rustc = linked_packages(), compiler()
    bill = json.dumps(bill_of_materials(ours, packages, rustc), indent=2) + "\n"
    return {BILL: bill.encode(), LICENCES: licences(packages, rustc).encode()}


def linked_packages():
    """The extension, and the packages of others in the binary by name and version, each as `cargo metadata` describes it."""
    # What is resolved for the extension alone: without what only tests, builds and macros of the compiler need.
    tree = cargo("tree", "--package", EXTENSION, "--edges", "normal,no-proc-macro", "--prefix", "none", "--format", "{p}")
    linked = {tuple(line.split()[:2]) for line in tree.splitlines()}
    described = json.loads(cargo("metadata", "--format-version", "1"))["packages"]
    packages = [package for package in described if (package["name"], "v" + package["version"]) in linked]
    [ours] = [package for package in packages if package["name"] == EXTENSION]
    others = [package for package in packages if package["source"]]
    return ours, sorted(others, key=lambda package: (package["name"], package["version"]))


def cargo(*arguments):
    return subprocess.run(["cargo", *arguments, "--locked"], cwd=ROOT, text=True, check=True, stdout=subprocess.PIPE).stdout


def compiler():
    """Release and folder of the Rust compiler, whose standard library is linked in too."""
    run = lambda *arguments: subprocess.run(["rustc", *arguments], cwd=ROOT, text=True, check=True, stdout=subprocess.PIPE).stdout
    return re.search(r"^release: (.*)", run("-vV"), re.M)[1], Path(run("--print", "sysroot").strip())


def bill_of_materials(ours, packages, rustc):
    locked = re.findall(r'name = "(.*)"\nversion = "(.*)"\nsource = ".*"\nchecksum = "(.*)"', (ROOT / "Cargo.lock").read_text())
    checksums = {(name, version): checksum for name, version, checksum in locked}
    components = [component(package, checksums) for package in packages] + [library("rust-std", rustc[0], "MIT OR Apache-2.0")]
    subject = library("footfall", ours["version"], spdx(ours))
    # Without a date and a serial number: the same sources give the same file.
    return {"bomFormat": "CycloneDX", "specVersion": "1.6", "version": 1, "metadata": {"component": subject}, "components": components}


def component(package, checksums):
    entry = library(package["name"], package["version"], spdx(package))
    entry["bom-ref"] = entry["purl"] = f"pkg:cargo/{package['name']}@{package['version']}"
    entry["hashes"] = [{"alg": "SHA-256", "content": checksums[package["name"], package["version"]]}]
    return entry


def library(name, version, licence):
    return {"type": "library", "bom-ref": f"{name}@{version}", "name": name, "version": version, "licenses": [{"expression": licence}]}


def spdx(package):
    """The licence as SPDX writes it; crates of old have a slash for OR."""
    if not package["license"]:
        raise SystemExit(f"{package['name']} {package['version']} states no licence")
    return re.sub(r"\s*/\s*", " OR ", package["license"])


def licences(packages, rustc):
    """Every licence text once, under the packages that it came with."""
    owners = {}
    for package in packages:
        name = f"{package['name']} {package['version']} ({spdx(package)})"
        for text in texts(Path(package["manifest_path"]).parent) or [without_text(package)]:
            owners.setdefault(text, []).append(name)
    release, folder = rustc
    for path in sorted(folder.glob("share/doc/rust/licenses/*")):
        if path.stem in ("MIT", "Apache-2.0"):
            owners.setdefault(path.read_text().strip(), []).append(f"rust-std {release} (MIT OR Apache-2.0)")
    parts = ["What is linked into footfall's binary beside its own code, under these licences."]
    parts += [f"{RULE}\n" + "\n".join(sorted(names)) + f"\n{RULE}\n\n{text}" for text, names in owners.items()]
    return "\n\n".join(parts) + "\n"


def texts(folder):
    files = [path for path in sorted(folder.iterdir()) if path.is_file() and LICENCE_FILES.match(path.name) and path.suffix != ".rs"]
    return [path.read_text(errors="replace").strip() for path in files]


def without_text(package):
    authors = ", ".join(package["authors"]) or "its authors"
    return f"Copyright {authors}. The package has no text of its licence; its source: {package['repository']}"


if __name__ == "__main__":
    main()
