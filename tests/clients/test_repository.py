"""A signed repository, made with a key that is thrown away: DuckDB 2.0 installs from it without a flag, and nothing that was changed."""

import functools
import gzip
import http.server
import os
import re
import subprocess
import sys
import tempfile
import threading
import unittest
from pathlib import Path

import duckdb
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from client import one

ROOT = Path(__file__).resolve().parents[2]
IS_BEFORE_2 = duckdb.__version__.startswith("1.")
WORKS = "SELECT time_features(TIMESTAMP '2017-12-02 21:30:00').hour"


class Handler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


class Repository(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.folder = Path(folder.name)
        made = cls.make(cls.new_key("key.pem", 2048))
        assert made.returncode == 0, made.stderr
        cls.printed = made.stdout
        server = http.server.ThreadingHTTPServer(
            ("127.0.0.1", 0), functools.partial(Handler, directory=str(cls.folder / "repository"))
        )
        cls.addClassCleanup(server.server_close)
        cls.addClassCleanup(server.shutdown)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        cls.url = f"http://127.0.0.1:{server.server_address[1]}"

    @classmethod
    def new_key(cls, name, bits):
        form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        path = cls.folder / name
        path.write_bytes(rsa.generate_private_key(public_exponent=65537, key_size=bits).private_bytes(*form))
        return path

    @classmethod
    def make(cls, key):
        command = [sys.executable, ROOT / "extension/packaging/repository.py", "--extension", os.environ["FOOTFALL_EXTENSION"]]
        command += ["--key", key, "--output", cls.folder / "repository", duckdb.__version__]
        return subprocess.run(command, text=True, capture_output=True)

    def connect(self, **config):
        # A home of its own for each test: what is installed and whom DuckDB trusts lies there.
        home = self.folder / self.id().rpartition(".")[2]
        home.mkdir(exist_ok=True)
        if not IS_BEFORE_2:
            config["extension_repository_directory"] = str(home)
        connection = duckdb.connect(config={"extension_directory": str(home), **config})
        self.addCleanup(connection.close)
        return connection

    def statements(self, place):
        """What the tool prints for users, with the place that stands for URL."""
        return re.search(r"^SET .*", self.printed, re.M | re.S)[0].replace("URL", place).split("\n")

    @unittest.skipIf(IS_BEFORE_2, "knows no repositories")
    def test_what_is_printed_installs_without_a_flag(self):
        connection = self.connect()
        for statement in self.statements(self.url):
            connection.execute(statement)
        self.assertEqual(one(connection, WORKS), 21)
        # Afterwards one line does.
        again = self.connect()
        again.execute("LOAD footfall FROM footfall")
        self.assertEqual(one(again, WORKS), 21)

    @unittest.skipIf(IS_BEFORE_2, "knows no repositories")
    def test_a_folder_says_its_key_itself(self):
        connection = self.connect(allow_extension_repositories="allowed")
        connection.execute(f"CREATE EXTENSION REPOSITORY ours WITH PREFIX '{self.folder / 'repository'}'")
        connection.execute("INSTALL footfall FROM ours")
        connection.execute("LOAD footfall FROM ours")
        self.assertEqual(one(connection, WORKS), 21)

    @unittest.skipIf(IS_BEFORE_2, "checks no signature of ours")
    def test_a_changed_byte_is_refused(self):
        [path] = (self.folder / "repository").glob("*/*/footfall.duckdb_extension.gz")
        self.addCleanup(path.write_bytes, path.read_bytes())
        whole = gzip.decompress(path.read_bytes())
        # In the first chunk, in the last one, in the version of the footer, in the signature.
        for place in (100, len(whole) - 1000, len(whole) - 370, len(whole) - 1):
            with self.subTest(place=place):
                path.write_bytes(gzip.compress(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :]))
                connection = self.connect(allow_extension_repositories="allowed")
                connection.execute(f"CREATE OR REPLACE EXTENSION REPOSITORY ours WITH PREFIX '{self.folder / 'repository'}'")
                with self.assertRaisesRegex(duckdb.Error, "signature"):
                    connection.execute("FORCE INSTALL footfall FROM ours")
                    connection.execute("LOAD footfall FROM ours")

    @unittest.skipIf(IS_BEFORE_2, "checks no signature of ours")
    def test_another_key_is_refused(self):
        other = self.new_key("other.pem", 2048)
        public = subprocess.run(["openssl", "rsa", "-in", other, "-pubout"], text=True, capture_output=True, check=True).stdout
        connection = self.connect(allow_extension_repositories="allowed")
        key = "".join(public.split("\n")[1:-2])
        connection.execute(f"CREATE EXTENSION REPOSITORY ours WITH PREFIX '{self.url}' USING PUBLIC KEY '{key}'")
        with self.assertRaisesRegex(duckdb.Error, "signature"):
            connection.execute("INSTALL footfall FROM ours")
            connection.execute("LOAD footfall FROM ours")

    @unittest.skipIf(not IS_BEFORE_2, "the tests above")
    def test_with_the_option_on_older_versions(self):
        for place in (self.url, str(self.folder / "repository")):
            with self.subTest(place):
                connection = self.connect(allow_unsigned_extensions="true")
                connection.execute(f"FORCE INSTALL footfall FROM '{place}'")
                connection.execute("LOAD footfall")
                self.assertEqual(one(connection, WORKS), 21)

    def test_a_key_that_duckdb_cannot_check_is_refused(self):
        made = self.make(self.new_key("long.pem", 3072))
        self.assertEqual(made.returncode, 1)
        self.assertRegex(made.stderr, "long.pem: no RSA key of 2048 bits")

    def test_no_private_key_is_laid_out(self):
        for path in (self.folder / "repository").rglob("*"):
            self.assertFalse(path.is_file() and b"PRIVATE" in path.read_bytes(), path)


if __name__ == "__main__":
    unittest.main()
