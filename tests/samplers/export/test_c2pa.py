"""C2PA manifests, by the library where it is installed, and the way out where it is not."""

from __future__ import annotations

import io
import json
import sys
import tarfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from equipoise.classifiers import ClassifierPanel
from equipoise.classifiers.models import Models
from equipoise.core.errors import FileFormatError, InputError
from equipoise.core.synthetic_mark import SOURCE_TYPE, is_marked
from equipoise.generators.toy import ToyGenerator
from equipoise.samplers.export import write_draws
from equipoise.samplers.export.c2pa_manifest import ManifestSigner
from equipoise.samplers.export.png import png
from equipoise.samplers.file import save_sampler
from equipoise.samplers.job import DrawRequest
from equipoise.samplers.sampler import Sampler
from tests.builders.command_line import Done


@pytest.fixture(scope="module")
def credentials(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A key, and its certificate under a root that nobody trusts."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    root_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    now = datetime.now(UTC)

    def certificate(name: str, public: ec.EllipticCurvePublicKey, root: bool) -> bytes:
        named = [
            x509.Name([x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, text)])
            for text in (name, "root")
        ]
        built = x509.CertificateBuilder(
            *reversed(named), public, x509.random_serial_number(), now, now + timedelta(days=2)
        )
        usage = [True, *[False] * 4, root, root, False, False]
        extensions = [
            (x509.BasicConstraints(root, None), True),
            (x509.KeyUsage(*usage), True),
            (x509.AuthorityKeyIdentifier.from_issuer_public_key(root_key.public_key()), False),
        ]
        if not root:
            mail = x509.ExtendedKeyUsageOID.EMAIL_PROTECTION
            extensions.append((x509.ExtendedKeyUsage([mail]), False))
        for extension, critical in extensions:
            built = built.add_extension(extension, critical)
        signed = built.sign(root_key, hashes.SHA256())
        return signed.public_bytes(serialization.Encoding.PEM)  # type: ignore[no-any-return]

    folder = tmp_path_factory.mktemp("credentials")
    chain = certificate("signer", key.public_key(), False)
    (folder / "chain.pem").write_bytes(chain + certificate("root", root_key.public_key(), True))
    (folder / "key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return folder / "key.pem", folder / "chain.pem"


def manifest_of(picture: bytes) -> tuple[str, str]:
    """Return the digital source type of the active manifest, and the state of its validation."""
    import c2pa

    store = json.loads(c2pa.Reader("image/png", io.BytesIO(picture)).json())
    manifest = store["manifests"][store["active_manifest"]]
    (action,) = manifest["assertions"][0]["data"]["actions"]
    return action["digitalSourceType"], store["validation_state"]


@pytest.mark.extras("c2pa", "cryptography")
def test_every_picture_of_a_folder_and_a_tar_is_signed(
    credentials: tuple[Path, Path],
    toy_sampler: Sampler,
    toy: ToyGenerator,
    toy_panel: ClassifierPanel,
    tmp_path: Path,
) -> None:
    models, signer = Models(toy, toy_panel), ManifestSigner(*credentials)
    write_draws(toy_sampler, models, DrawRequest(3), tmp_path / "faces", signer=signer)
    write_draws(toy_sampler, models, DrawRequest(5), tmp_path / "faces", signer=signer)
    write_draws(toy_sampler, models, DrawRequest(2), tmp_path / "f.tar", "tar", signer=signer)
    files = sorted((tmp_path / "faces" / "images").iterdir())
    pictures = [file.read_bytes() for file in files]
    with tarfile.open(tmp_path / "f.tar") as archive:
        members = [archive.extractfile(m) for m in archive if m.name.endswith(".png")]
        pictures += [member.read() for member in members if member is not None]
    assert len(pictures) == 7
    assert {manifest_of(picture) for picture in pictures} == {(SOURCE_TYPE, "Valid")}
    assert all(map(is_marked, pictures))
    assert is_marked(signer.signed(png(np.zeros((3, 8, 8), np.uint8), ""))), "a manifest alone"
    changed = bytearray(pictures[0])
    changed[-20] ^= 1
    assert manifest_of(bytes(changed))[1] == "Invalid"
    with pytest.raises(InputError, match="draws of the same sampler, --verified, --faithful, seed"):
        write_draws(toy_sampler, models, DrawRequest(6), tmp_path / "faces")
    with pytest.raises(InputError, match="must be folder or tar for pictures with a C2PA"):
        write_draws(toy_sampler, models, DrawRequest(2), tmp_path / "f.npz", "npz", signer=signer)


@pytest.mark.extras("c2pa", "cryptography")
def test_a_key_of_another_certificate_signs_nothing_and_is_not_shown(
    credentials: tuple[Path, Path], tmp_path: Path
) -> None:
    key, chain = credentials
    (tmp_path / "secret.pem").write_bytes(b"-----BEGIN PRIVATE KEY-----\nSECRET\n")
    for pair in ((tmp_path / "secret.pem", chain), (key, tmp_path / "secret.pem")):
        with pytest.raises(FileFormatError, match="must sign by an algorithm of C2PA") as caught:
            ManifestSigner(*pair)
        assert "SECRET" not in str(caught.value)
    with pytest.raises(InputError, match="c2pa-key must be a file that can be read"):
        ManifestSigner(tmp_path / "none.pem", chain)


def test_without_the_library_or_half_the_flags_nothing_is_drawn(
    cli: Callable[..., Done],
    toy_sampler: Sampler,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    save_sampler(toy_sampler, tmp_path / "s.safetensors")
    monkeypatch.setitem(sys.modules, "c2pa", None)
    both = ("--c2pa-key", tmp_path / "k.pem", "--c2pa-certificate", tmp_path / "c.pem")
    common = ("sample", tmp_path / "s.safetensors", "--n", "2", "--out")
    done = cli(*common, tmp_path / "faces", *both, code=2)
    assert "--c2pa-key must have c2pa installed" in done.stderr
    done = cli(*common, tmp_path / "faces", *both[:2], code=2)
    assert "--c2pa-certificate must come with the other" in done.stderr
    done = cli(*common, tmp_path / "f.npz", *both, code=2)
    assert "must not be given for the format npz" in done.stderr
    assert not (tmp_path / "faces").exists()
