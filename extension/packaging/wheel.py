"""Builds the wheel: one file for every Python and every DuckDB from 1.4 on.

    python3 extension/packaging/wheel.py --extension build/footfall.duckdb_extension --output build/wheel

The key that signs the binary for DuckDB 2.0 is made here and forgotten: only its public half travels. So two builds of a wheel
differ in the signature and in that file, whatever else is the same.
"""

import argparse
import base64
import hashlib
import re
import zipfile
from pathlib import Path

import bill_of_materials
import signing

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "extension" / "python" / "footfall"
# The oldest system that Rust's standard library runs on, where the binary itself does not say it.
TAGS = {
    "linux_amd64_musl": "musllinux_1_2_x86_64",
    "linux_arm64_musl": "musllinux_1_2_aarch64",
    "osx_amd64": "macosx_10_12_x86_64",
    "osx_arm64": "macosx_11_0_arm64",
    "windows_amd64": "win_amd64",
    "windows_arm64": "win_arm64",
}
MACHINES = {"linux_amd64": "x86_64", "linux_arm64": "aarch64"}
METADATA = """\
Metadata-Version: 2.4
Name: footfall
Version: {version}
Summary: Shop events to reports, RFM scores, customer segments and next-action predictions, in SQL: a DuckDB extension
License-Expression: MIT
License-File: LICENSE
License-File: THIRD_PARTY_LICENSES.txt
Requires-Python: >=3.9
Requires-Dist: duckdb>=1.4
Classifier: Typing :: Typed
Description-Content-Type: text/markdown

"""


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--extension", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True, help="folder for the wheel")
    arguments = parser.parse_args()
    extension = arguments.extension.read_bytes()
    arguments.output.mkdir(parents=True, exist_ok=True)
    path, tag = write(extension, arguments.output)
    print(f"{path}: {path.stat().st_size / 1e6:.1f} MB, for {tag}")


def write(extension, folder):
    """Write the wheel of an extension file into a folder; its path, and the platform tag."""
    version, platform = signing.footer(extension)
    tag = platform_tag(extension, platform)
    key = signing.new_key()
    files = {f"footfall/{path.name}": path.read_bytes() for path in (PACKAGE / "__init__.py", PACKAGE / "spark.py", PACKAGE / "py.typed")}
    files["footfall/footfall.duckdb_extension"] = signing.signed(extension, key)
    files["footfall/public_key.txt"] = signing.public_text(key).encode()
    info = f"footfall-{version}.dist-info"
    files[f"{info}/METADATA"] = (METADATA.format(version=version) + (ROOT / "README.md").read_text()).encode()
    files[f"{info}/WHEEL"] = f"Wheel-Version: 1.0\nGenerator: footfall\nRoot-Is-Purelib: false\nTag: py3-none-{tag}\n".encode()
    materials = bill_of_materials.files()
    files[f"{info}/licenses/LICENSE"] = (ROOT / "LICENSE").read_bytes()
    files[f"{info}/licenses/{bill_of_materials.LICENCES}"] = materials[bill_of_materials.LICENCES]
    files[f"{info}/sboms/{bill_of_materials.BILL}"] = materials[bill_of_materials.BILL]
    files[f"{info}/RECORD"] = record(files, f"{info}/RECORD").encode()
    path = folder / f"footfall-{version}-py3-none-{tag}.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, content, zipfile.ZIP_DEFLATED)
    return path, tag


def record(files, own_name):
    """The list of files with their digests that pip checks."""
    digests = {name: base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode() for name, content in files.items()}
    return "".join(f"{name},sha256={digests[name]},{len(files[name])}\n" for name in files) + f"{own_name},,\n"


def platform_tag(extension, platform):
    if platform in TAGS:
        return TAGS[platform]
    if platform not in MACHINES:
        raise SystemExit(f"no wheel for {platform}; there are tags for {', '.join([*MACHINES, *TAGS])}")
    major, minor = glibc(extension)
    return f"manylinux_{major}_{minor}_{MACHINES[platform]}"


def glibc(extension):
    """The oldest glibc that has every symbol the binary asks for, by the names of their versions in its string table."""
    versions = re.findall(rb"\0GLIBC_(\d+)\.(\d+)(?:\.\d+)?(?=\0)", extension)
    return max((int(major), int(minor)) for major, minor in versions)


if __name__ == "__main__":
    main()
