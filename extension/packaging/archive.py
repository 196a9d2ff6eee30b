"""Writes the release archive: the binary, its SQL, the licences, what is linked in, and checksums.

    python3 extension/packaging/archive.py --extension build/footfall.duckdb_extension --output build/dist VERSION...

Unpacked, it is a folder that `INSTALL footfall FROM 'FOLDER'` takes in each VERSION of DuckDB, and `INSTALL
'FOLDER/footfall.duckdb_extension'` in every one from 1.4 on, where unsigned extensions are allowed. With --key the binary is
signed, and the folder a repository for DuckDB 2.0. The same input gives the same bytes.
"""

import argparse
import gzip
import hashlib
import io
import tarfile
from pathlib import Path

import bill_of_materials
import repository
import signing

ROOT = Path(__file__).resolve().parents[2]
NAME = "footfall.duckdb_extension"
DOCUMENTS = ["LICENSE", "README.md", "CHANGELOG.md", "SECURITY.md", *sorted(path.relative_to(ROOT) for path in ROOT.glob("sql/**/*.*"))]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--extension", type=Path, required=True)
    parser.add_argument("--key", type=Path, help="signs the binary; an RSA key of 2048 bits, a PEM file")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("versions", nargs="+", metavar="VERSION", help="of DuckDB, such as 2.0.0")
    arguments = parser.parse_args()
    extension = arguments.extension.read_bytes()
    version, platform = signing.footer(extension)
    key = arguments.key and signing.read_key(arguments.key)
    folder = f"footfall-{version}-{platform}"
    arguments.output.mkdir(parents=True, exist_ok=True)
    path = arguments.output / f"{folder}.tar.gz"
    path.write_bytes(archive(folder, contents(extension, key), [f"v{duckdb}/{platform}" for duckdb in arguments.versions]))
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    path.with_name(f"{path.name}.sha256").write_text(f"{digest}  {path.name}\n")
    print(f"{path}: {path.stat().st_size / 1e6:.1f} MB, SHA-256 {digest}")


def contents(extension, key):
    """The files of the archive by their names, the checksums of the others last."""
    files = {NAME: signing.signed(extension, key) if key else extension}
    files |= {str(name): (ROOT / name).read_bytes() for name in DOCUMENTS}
    files |= bill_of_materials.files()
    if key:
        files[str(repository.KEYS)] = repository.keys(key)
    files["SHA256SUMS"] = "".join(f"{hashlib.sha256(content).hexdigest()}  {name}\n" for name, content in files.items()).encode()
    return files


def archive(folder, files, places):
    """A compressed tar of the files, with the binary in each place as a link to the one."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(f"{folder}/{name}")
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
        for place in places:
            link = tarfile.TarInfo(f"{folder}/{place}/{NAME}")
            link.type, link.linkname = tarfile.LNKTYPE, f"{folder}/{NAME}"
            tar.addfile(link)
    return gzip.compress(packed.getvalue(), mtime=0)


if __name__ == "__main__":
    main()
