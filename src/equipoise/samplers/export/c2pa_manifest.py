"""C2PA manifests: signed statements in a picture that it is synthetic, and who says so.

Content Credentials of the Coalition for Content Provenance and Authenticity, by its own library
c2pa-python. The mark in XMP can be written by anybody; a manifest shows who signed it, and that the
picture was not changed since.
"""

from __future__ import annotations

import hashlib
import io
import json
from pathlib import Path
from typing import Any

import numpy as np

from equipoise.core.errors import FileFormatError, InputError
from equipoise.core.plugins import install, load_library
from equipoise.core.synthetic_mark import SOURCE_TYPE
from equipoise.core.versions import versions
from equipoise.samplers.export.png import png

_LARGEST = 2**20
_REMEDY = (
    "Pass --c2pa-key with a private key in PEM (PKCS #8), and --c2pa-certificate with the chain in "
    "PEM, the certificate of that key first."
)


class ManifestSigner:
    """Adds a signed manifest to pictures.

    Parameters
    ----------
    key : Path
        Private key in PEM, PKCS #8. It is read once, and never shown.
    certificate : Path
        Chain of certificates in PEM, that of the key first, as C2PA asks for.

    Attributes
    ----------
    digest : str
        SHA-256 of the chain.

    Raises
    ------
    InputError
        When c2pa-python is not installed, or a file cannot be read.
    FileFormatError
        When no algorithm of C2PA signs with them.
    """

    def __init__(self, key: Path, certificate: Path) -> None:
        remedy = f"{install('c2pa')}, or leave --c2pa-key out."
        self._library = load_library("--c2pa-key", "c2pa", remedy)
        secret, chain = _read("c2pa-key", key), _read("c2pa-certificate", certificate)
        self.digest = hashlib.sha256(chain).hexdigest()
        self._settings = self._library.Context(
            self._library.Settings.from_dict({"builder": {"thumbnail": {"enabled": False}}})
        )
        self._signer = self._working_signer(secret, chain, certificate)

    def _working_signer(self, secret: bytes, chain: bytes, certificate: Path) -> Any:
        """Return a signer of the algorithm that fits the key, proved on a small picture."""
        library, reason = self._library, ""
        proof = png(np.zeros((3, 8, 8), np.uint8), "")
        for algorithm in library.C2paSigningAlg:
            try:
                info = library.C2paSignerInfo(algorithm, chain, secret, None)
                self._signer = library.Signer.from_info(info)
                self.signed(proof)
            # The library's errors, those of its foreign functions included, have no common base.
            except Exception as error:
                reason = f"{type(error).__name__} for {algorithm.name}"
                continue
            return self._signer
        raise FileFormatError(
            f"key of {certificate}", "must sign by an algorithm of C2PA", reason, _REMEDY
        )

    def signed(self, content: bytes) -> bytes:
        """Return a PNG file with a manifest that says that a trained algorithm made it."""
        manifest = {
            "claim_generator_info": [{"name": "equipoise", "version": versions()["equipoise"]}],
            "assertions": [
                {
                    "label": "c2pa.actions.v2",
                    "data": {
                        "actions": [{"action": "c2pa.created", "digitalSourceType": SOURCE_TYPE}]
                    },
                }
            ],
        }
        out = io.BytesIO()
        builder = self._library.Builder(json.dumps(manifest), self._settings)
        builder.sign(self._signer, "image/png", io.BytesIO(content), out)
        return out.getvalue()


def _read(argument: str, path: Path) -> bytes:
    """Return the bytes of a small file, whose content no error shows."""
    try:
        with path.open("rb") as file:
            content = file.read(_LARGEST + 1)
    except OSError as error:
        raise InputError(argument, "must be a file that can be read", str(path), _REMEDY) from error
    if len(content) > _LARGEST:
        raise InputError(argument, f"must be at most {_LARGEST:,} bytes", str(path), _REMEDY)
    return content
