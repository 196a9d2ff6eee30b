"""Lays out a signed repository of extensions, from which DuckDB 2.0 installs without a flag.

    openssl genrsa -out key.pem 2048
    python3 extension/packaging/repository.py --extension build/footfall.duckdb_extension --key key.pem --output DIR VERSION...

DIR holds the file for each VERSION of DuckDB and its platform, and the public key where DuckDB looks for it. Run again with the
binary of another platform, it adds that. Printed is what a user says to DuckDB. With the key in it that needs nothing else;
without, DuckDB asks a server for the key, for which it needs its extension httpfs. DuckDB before 2.0 takes `INSTALL footfall
FROM 'DIR'` where unsigned extensions are allowed.
"""

import argparse
import gzip
import json
from pathlib import Path

import signing

NAME = "footfall.duckdb_extension.gz"
INSTALL = """\
SET allow_extension_repositories = 'allowed';
CREATE EXTENSION REPOSITORY footfall WITH PREFIX 'URL' USING PUBLIC KEY '{key}';
INSTALL footfall FROM footfall;
LOAD footfall FROM footfall;"""
KEYS = Path(".well-known") / "duckdb-extension-repo.json"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--extension", type=Path, required=True)
    parser.add_argument("--key", type=Path, required=True, help="RSA key of 2048 bits, a PEM file; it is read and not copied")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("versions", nargs="+", metavar="VERSION", help="of DuckDB, such as 2.0.0")
    arguments = parser.parse_args()
    key = signing.read_key(arguments.key)
    extension = arguments.extension.read_bytes()
    _, platform = signing.footer(extension)
    lay_out(signing.signed(extension, key), platform, arguments.versions, arguments.output)
    (arguments.output / KEYS).parent.mkdir(parents=True, exist_ok=True)
    (arguments.output / KEYS).write_bytes(keys(key))
    print(f"{arguments.output}: {platform}, DuckDB {', '.join(arguments.versions)}. Where it is served as URL:\n")
    print(INSTALL.format(key=signing.public_text(key)))


def keys(key):
    """The file of public keys that a repository serves."""
    return (json.dumps({"signature_keys": [signing.public_text(key)]}, indent=2) + "\n").encode()


def lay_out(extension, platform, versions, folder):
    """The file under VERSION/PLATFORM, compressed, as DuckDB asks for it over HTTP and takes it from a folder too."""
    for version in versions:
        place = folder / f"v{version}" / platform
        place.mkdir(parents=True, exist_ok=True)
        (place / NAME).write_bytes(gzip.compress(extension, mtime=0))


if __name__ == "__main__":
    main()
