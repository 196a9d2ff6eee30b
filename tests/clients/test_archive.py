"""The release archive: DuckDB installs from the unpacked folder, and it says what is linked in."""

import hashlib
import json
import os
import re
import subprocess
import sys
import tarfile
import tempfile
import unittest
from pathlib import Path

import duckdb
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from client import one

ROOT = Path(__file__).resolve().parents[2]
EXTENSION = Path(os.environ["FOOTFALL_EXTENSION"])
IS_BEFORE_2 = duckdb.__version__.startswith("1.")
WORKS = "SELECT count(*) > 0 FROM footfall.generate_events(users := 1)"


class Archive(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.folder = Path(folder.name)
        cls.packed, cls.unpacked = cls.make("plain")

    @classmethod
    def make(cls, name, *options):
        command = [sys.executable, ROOT / "extension/packaging/archive.py", "--extension", EXTENSION, "--output", cls.folder / name]
        subprocess.run([*command, *options, duckdb.__version__], check=True, stdout=subprocess.DEVNULL)
        [packed] = (cls.folder / name).glob("*.tar.gz")
        with tarfile.open(packed) as tar:
            tar.extractall(cls.folder / name / "unpacked", filter="data")
        [unpacked] = (cls.folder / name / "unpacked").iterdir()
        return packed, unpacked

    def connect(self, **config):
        home = tempfile.TemporaryDirectory()
        self.addCleanup(home.cleanup)
        if not IS_BEFORE_2:
            config["extension_repository_directory"] = home.name
        connection = duckdb.connect(config={"extension_directory": home.name, **config})
        self.addCleanup(connection.close)
        return connection

    def test_install_from_the_folder_and_of_the_file(self):
        for source in (f"footfall FROM '{self.unpacked}'", f"'{self.unpacked}/footfall.duckdb_extension'"):
            with self.subTest(source):
                connection = self.connect(allow_unsigned_extensions="true")
                connection.execute(f"INSTALL {source}")
                connection.execute("LOAD footfall")
                self.assertTrue(one(connection, WORKS))

    @unittest.skipIf(IS_BEFORE_2, "checks no signature of ours")
    def test_a_signed_archive_needs_no_option(self):
        key = self.folder / "key.pem"
        form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        key.write_bytes(rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(*form))
        _, unpacked = self.make("signed", "--key", key)
        connection = self.connect(allow_extension_repositories="allowed")
        connection.execute(f"CREATE EXTENSION REPOSITORY archive WITH PREFIX '{unpacked}'")
        connection.execute("INSTALL footfall FROM archive")
        connection.execute("LOAD footfall FROM archive")
        self.assertTrue(one(connection, WORKS))

    def test_checksums(self):
        digest, name = self.packed.with_name(self.packed.name + ".sha256").read_text().split()
        self.assertEqual((digest, name), (hashlib.sha256(self.packed.read_bytes()).hexdigest(), self.packed.name))
        lines = (self.unpacked / "SHA256SUMS").read_text().splitlines()
        summed = {name: digest for digest, name in (line.split("  ") for line in lines)}
        files = {str(path.relative_to(self.unpacked)): path for path in self.unpacked.rglob("*") if path.is_file()}
        unsummed = {name for name in files if name == "SHA256SUMS" or re.match(r"v\d", name)}
        self.assertEqual(summed, {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in files.items() if name not in unsummed})
        self.assertEqual((self.unpacked / EXTENSION.name).read_bytes(), EXTENSION.read_bytes())

    def test_the_same_input_gives_the_same_bytes(self):
        packed, _ = self.make("again")
        self.assertEqual(packed.read_bytes(), self.packed.read_bytes())

    def test_the_bill_names_what_is_in_the_binary(self):
        """The places of panics in the binary are paths into the sources of the crates that it was made from."""
        bill = json.loads((self.unpacked / "footfall.cdx.json").read_text())
        named = {(entry["name"], entry["version"]) for entry in bill["components"]}
        paths = re.findall(rb"/registry/src/[^/]+/([\w-]+?)-(\d+\.\d+\.\d+[^/]*)/", EXTENSION.read_bytes())
        seen = {(name.decode(), version.decode()) for name, version in paths}
        self.assertTrue(seen)
        self.assertLessEqual(seen, named)

    def test_everything_that_is_linked_in_has_its_licence(self):
        bill = json.loads((self.unpacked / "footfall.cdx.json").read_text())
        licences = (self.unpacked / "THIRD_PARTY_LICENSES.txt").read_text()
        for entry in bill["components"]:
            self.assertIn(f"\n{entry['name']} {entry['version']} ({entry['licenses'][0]['expression']})\n", licences)


if __name__ == "__main__":
    unittest.main()
