import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms, PngImagePlugin, TiffImagePlugin

from equipoise.core.errors import FileFormatError
from equipoise.labelling.picture import FORMATS, read_image, sniffed

SKIN = (222, 176, 146)
ADOBE = ((0.64, 0.33), (0.21, 0.71), (0.15, 0.06))
"""Chromaticities of Adobe RGB's red, green and blue."""


def wide_profile() -> bytes:
    """Return a profile with the primaries of Adobe RGB, adapted to D50, and gamma 2.2."""
    white = np.array([0.3127, 0.3290, 0.3583]) / 0.3290
    columns = np.array([[x / y, 1, (1 - x - y) / y] for x, y in ADOBE]).T
    matrix = columns * np.linalg.solve(columns, white)
    cone = np.array(
        [[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]]
    )
    d50 = np.array([0.9642, 1.0, 0.8249])
    matrix = np.linalg.solve(cone, np.diag((cone @ d50) / (cone @ white)) @ cone) @ matrix

    def number(value: float) -> bytes:
        return struct.pack(">i", round(value * 65536))

    def xyz(values: np.ndarray) -> bytes:
        return b"XYZ \0\0\0\0" + b"".join(map(number, values))

    tags = {b"wtpt": xyz(d50), b"desc": b"desc\0\0\0\0" + struct.pack(">I", 1) + bytes(79)}
    tags |= {name: xyz(matrix[:, i]) for i, name in enumerate((b"rXYZ", b"gXYZ", b"bXYZ"))}
    curve = b"curv\0\0\0\0" + struct.pack(">IH", 1, round(2.2 * 256)) + bytes(2)
    tags |= dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), curve)
    table, body = struct.pack(">I", len(tags)), b""
    start = 128 + 4 + 12 * len(tags)
    for name, content in tags.items():
        table += name + struct.pack(">II", start + len(body), len(content))
        body += content + bytes(-len(content) % 4)
    head = struct.pack(">I4sI4s4s4s12x4s", start + len(body), b"", 0x2100000, b"mntr", b"RGB ",
                       b"XYZ ", b"acsp")  # fmt: skip
    return head.ljust(68, b"\0") + b"".join(map(number, d50)) + bytes(48) + table + body


def in_wide(colour: tuple[int, int, int]) -> tuple[int, ...]:
    """Return the bytes of Adobe RGB (1998) for a colour of sRGB, by its published formula."""
    s = np.array(colour) / 255
    linear = np.where(s <= 0.04045, s / 12.92, ((s + 0.055) / 1.055) ** 2.4)

    def to_xyz(primaries: tuple[tuple[float, float], ...]) -> np.ndarray:
        columns = np.array([[x / y, 1, (1 - x - y) / y] for x, y in primaries]).T
        return columns * np.linalg.solve(columns, np.array([0.3127, 0.3290, 0.3583]) / 0.3290)

    srgb = to_xyz(((0.64, 0.33), (0.30, 0.60), (0.15, 0.06)))
    found = np.linalg.solve(to_xyz(ADOBE), srgb @ linear)
    return tuple(round(v) for v in 255 * found ** (1 / 2.2))


def middle(path: Path) -> list[int]:
    image = read_image(path)
    return image[:, image.shape[1] // 2, image.shape[2] // 2].tolist()


@pytest.mark.parametrize("suffix", ["png", "jpg", "tif", "webp"])
def test_one_visible_colour_is_one_colour_whatever_the_profile(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"a.{suffix}"
    wide = in_wide(SKIN)
    assert np.abs(np.subtract(wide, SKIN)).max() > 10
    options = {"quality": 100, "lossless": True} if suffix == "webp" else {"quality": 100}
    Image.new("RGB", (16, 16), wide).save(path, icc_profile=wide_profile(), **options)
    assert np.abs(np.subtract(middle(path), SKIN)).max() <= 2


def test_a_profile_of_srgb_changes_nothing_and_grey_may_carry_one_of_colours(
    tmp_path: Path,
) -> None:
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    Image.new("RGB", (4, 4), SKIN).save(tmp_path / "a.png", icc_profile=srgb)
    Image.new("L", (4, 4), 77).save(tmp_path / "b.png", icc_profile=srgb)
    assert np.abs(np.subtract(middle(tmp_path / "a.png"), SKIN)).max() <= 1
    assert np.abs(np.subtract(middle(tmp_path / "b.png"), 77)).max() <= 1
    Image.new("CMYK", (4, 4), (9, 9, 9, 9)).save(tmp_path / "c.jpg", icc_profile=srgb)
    with pytest.raises(FileFormatError, match="a colour profile that does not fit: RGB for CMYK"):
        read_image(tmp_path / "c.jpg")
    Image.new("RGB", (4, 4)).save(tmp_path / "d.png", icc_profile=b"none")
    with pytest.raises(FileFormatError, match=r"d\.png .* a colour profile that does not fit"):
        read_image(tmp_path / "d.png")


def png(width: int, kind: int, rows: bytes, depth: int = 8) -> bytes:
    """Return a PNG of one row."""

    def chunk(name: bytes, content: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(name + content))
        return struct.pack(">I", len(content)) + name + content + check

    head = struct.pack(">IIBBBBB", width, 1, depth, kind, 0, 0, 0)
    data = zlib.compress(b"\0" + rows)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def test_the_upper_8_of_16_bits_are_kept_in_grey_and_in_colour(tmp_path: Path) -> None:
    value = 0xC3FE
    two = struct.pack(">H", value)
    (tmp_path / "grey.png").write_bytes(png(1, 0, two, 16))
    (tmp_path / "rgb.png").write_bytes(png(1, 2, two * 3, 16))
    (tmp_path / "opaque.png").write_bytes(png(1, 4, two + b"\xff\xff", 16))
    grey = Image.fromarray(np.full((4, 4), value, np.uint16))
    grey.save(tmp_path / "grey.tif")
    inverted = TiffImagePlugin.ImageFileDirectory_v2()
    inverted[262] = 0
    Image.fromarray(np.full((4, 4), 0xFFFF - value, np.uint16)).save(
        tmp_path / "inverted.tif", tiffinfo=inverted
    )
    for path in tmp_path.iterdir():
        assert middle(path) == [0xC3] * 3, path
    Image.fromarray(np.full((4, 4), 0.5, np.float32)).save(tmp_path / "f.tif")
    with pytest.raises(FileFormatError, match="colours of mode F, which are not read"):
        read_image(tmp_path / "f.tif")


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tif"])
def test_orientation_is_read_beside_a_broken_tag(suffix: str, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112], exif[0x011A] = 6, TiffImagePlugin.IFDRational(72, 1)
    whole = exif.tobytes()
    # The denominator and the count of the rational go.
    broken = whole.replace(struct.pack("<HHI", 0x011A, 5, 1), struct.pack("<HHI", 0x011A, 5, 0))
    broken = broken.replace(struct.pack("<II", 72, 1), bytes(8))
    pixels = np.zeros((8, 16, 3), np.uint8)
    pixels[:, :8] = 255
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(pixels).save(path, exif=broken if suffix != "tif" else exif)
    found = read_image(path)
    assert found.shape == (3, 16, 8)
    assert found[:, 2].min() > 200 > found[:, 12].max()


def test_texts_of_any_length_are_passed_over(tmp_path: Path) -> None:
    texts = PngImagePlugin.PngInfo()
    texts.add_text("workflow", "x" * 3_000_000, zip=True)
    texts.add_itxt("prompt", "y" * 2_000_000, zip=True)
    Image.new("RGB", (4, 4), SKIN).save(tmp_path / "a.png", pnginfo=texts)
    assert middle(tmp_path / "a.png") == list(SKIN)


def lab(path: Path) -> None:
    Image.new("LAB", (4, 4)).save(path, format="TIFF")


def large_head(path: Path) -> None:
    path.write_bytes(png(1, 2, b"abc").replace(struct.pack(">II", 1, 1), b"\0\1\0\0" * 2))


@pytest.mark.parametrize(
    ("write", "reason"),
    [
        (lambda path: Image.new("RGB", (4, 4)).save(path, format="GIF"), "GIF, which is not read"),
        (lab, "colours of mode LAB, which are not read"),
        (lambda path: path.write_bytes(b""), "an empty file"),
        (lambda path: path.write_bytes(b"version https://git-lfs.github"), "Git LFS pointer"),
        (lambda path: path.write_bytes(b"<!DOCTYPE html><p>404"), "HTML or XML"),
        (lambda path: path.write_bytes(b"\0\0\0 ftypheic"), "HEIC, which is not read"),
        (lambda path: Image.new("RGBA", (4, 4)).save(path, format="PNG"), "transparent pixels"),
        (lambda path: path.write_bytes(b"text"), "got no picture"),
        (lambda path: path.write_bytes(b"II*\0\0"), "a damaged TIFF"),
        (lambda path: None, "No such file"),
        (lambda path: path.mkdir(), "Is a directory"),
        (large_head, "image a.png"),
    ],
)
def test_reasons_are_true(write: Callable[[Path], None], reason: str, tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    write(path)
    with pytest.raises(FileFormatError) as caught:
        read_image(path)
    assert reason in str(caught.value).replace(f"{tmp_path}/", "")


def samples() -> list[tuple[str, bytes]]:
    """Return small files with metadata of each format."""
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = 6, "disc"
    profile = wide_profile()
    ramp = np.arange(16 * 12 * 3, dtype=np.uint8).reshape(16, 12, 3)
    texts = PngImagePlugin.PngInfo()
    texts.add_text("a", "b" * 40, zip=True)
    kinds: list[tuple[str, dict[str, object]]] = [
        ("JPEG", {}),
        ("JPEG", {"progressive": True}),
        ("PNG", {"pnginfo": texts}),
        ("WEBP", {}),
        ("WEBP", {"lossless": True}),
        ("TIFF", {}),
        ("TIFF", {"compression": "tiff_lzw"}),
        ("TIFF", {"compression": "jpeg"}),
    ]
    found = []
    for kind, options in kinds:
        file = io.BytesIO()
        Image.fromarray(ramp).save(file, kind, exif=exif, icc_profile=profile, **options)
        found.append((kind, file.getvalue()))
    return found


@pytest.mark.filterwarnings("ignore")
def test_damaged_pictures_end_in_nothing_but_the_named_error(tmp_path: Path) -> None:
    rng = np.random.default_rng(17)
    path, outcomes = tmp_path / "a.png", {"read": 0, "refused": 0}
    for turn in range(1600):
        content = SAMPLES[turn % len(SAMPLES)][1]
        damaged = bytearray(content)
        for _ in range(rng.integers(1, 6)):
            # Most of the damage goes to the first bytes, which hold the structure.
            if len(damaged) < 60:
                break
            span = len(damaged) if rng.random() < 0.4 else min(len(damaged), 600)
            at = int(rng.integers(span))
            what = rng.integers(4)
            if what == 0:
                damaged[at] = int(rng.integers(256))
            elif what == 1:
                damaged[at : at + 4] = extremes(rng, 4)
            elif what == 2:
                damaged[at : at + int(rng.integers(1, 30))] = b""
            else:
                damaged = damaged[: at + 8]
        path.write_bytes(damaged)
        try:
            image = read_image(path)
            assert image.dtype == np.uint8
            assert image.shape[0] == 3
            outcomes["read"] += 1
        except FileFormatError as error:
            assert "a.png" in error.argument
            assert len(str(error.got)) <= 80
            outcomes["refused"] += 1
    assert min(outcomes.values()) > 60, outcomes


def extremes(rng: np.random.Generator, n: int) -> bytes:
    return bytes(rng.choice([0, 1, 127, 128, 255, 254], n).astype(np.uint8))


SAMPLES = samples()


def test_first_bytes_name_the_format() -> None:
    assert {kind for kind, _ in SAMPLES} <= set(FORMATS)
    assert all(sniffed(content[:64]) == kind for kind, content in SAMPLES)
    assert sniffed(b"") == ""
