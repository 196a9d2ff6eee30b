"""The signature of an extension file, as DuckDB checks it.

A file ends in 256 bytes of signature; before them stands the footer that `package-extension` wrote. Signed is the SHA-256
of the SHA-256s of each MiB of what comes before the signature, by RSA-2048 with PKCS #1 v1.5 padding
(`ExtensionHelper::CheckExtensionSignature` in DuckDB's src/main/extension/extension_load.cpp).
"""

import base64
import hashlib
from pathlib import Path

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed

CHUNK = 1 << 20
SIGNATURE_BYTES = 256
FIELD_BYTES = 32


def new_key():
    return rsa.generate_private_key(public_exponent=65537, key_size=8 * SIGNATURE_BYTES)


def read_key(path):
    """The private key of a PEM file; exits with a line when it is none that DuckDB can check."""
    key = serialization.load_pem_private_key(Path(path).read_bytes(), password=None)
    if not isinstance(key, rsa.RSAPrivateKey) or key.key_size != 8 * SIGNATURE_BYTES:
        raise SystemExit(f"{path}: no RSA key of 2048 bits; `openssl genrsa -out key.pem 2048` makes one")
    return key


def public_text(key):
    """The public key in one line, as `USING PUBLIC KEY` takes it."""
    form = serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    return base64.b64encode(key.public_key().public_bytes(*form)).decode()


def signed(extension, key):
    """The bytes of an extension file with the signature in its last 256 bytes."""
    body = extension[:-SIGNATURE_BYTES]
    chunks = (body[start : start + CHUNK] for start in range(0, len(body), CHUNK))
    digest = hashlib.sha256(b"".join(hashlib.sha256(chunk).digest() for chunk in chunks)).digest()
    return body + key.sign(digest, padding.PKCS1v15(), Prehashed(hashes.SHA256()))


def footer(extension):
    """Version and platform of an extension file, such as ("0.1.0", "linux_amd64")."""
    fields = extension[-SIGNATURE_BYTES - 8 * FIELD_BYTES : -SIGNATURE_BYTES]
    texts = [fields[start : start + FIELD_BYTES].rstrip(b"\0").decode() for start in range(0, len(fields), FIELD_BYTES)]
    *_, version, _api, platform, magic = texts
    if magic != "4":
        raise SystemExit("not a DuckDB extension: its footer is missing")
    return version.removeprefix("v"), platform
