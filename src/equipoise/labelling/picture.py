"""One picture of any origin becomes sRGB bytes: upright, by its colour profile, opaque.

Pictures come from other hands, so they are read within limits: only formats that are decoded
without other programs, and files of bounded size.
"""

from __future__ import annotations

import io
import struct
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageCms, ImageOps, UnidentifiedImageError

from equipoise.core.errors import FileFormatError
from equipoise.core.tables import shown

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "TIFF")
"""Formats that are read. Pillow decodes some others, such as EPS, by starting a program."""

_LARGEST = 2**30
"""Bytes of a file at most, chosen by hand."""

_HEAD = 64
"""Bytes at the start of a file that show its format."""

_PNG = b"\x89PNG\r\n\x1a\n"

_KEPT_TEXT = (b"Raw profile type exif\0", b"XML:com.adobe.xmp\0")
"""Starts of the text chunks of a PNG that may say which side is up."""

_SIGNS: tuple[tuple[int, bytes, str], ...] = (
    (0, _PNG, "PNG"),
    (0, b"\xff\xd8\xff", "JPEG"),
    (8, b"WEBP", "WEBP"),
    (0, b"II*\0", "TIFF"),
    (0, b"MM\0*", "TIFF"),
    (0, b"II+\0", "TIFF"),
    (0, b"MM\0+", "TIFF"),
    (0, b"GIF8", "GIF"),
    (4, b"ftypavif", "AVIF"),
    (4, b"ftypavis", "AVIF"),
    (4, b"ftyphei", "HEIC"),
    (4, b"ftyphev", "HEIC"),
    (4, b"ftypmif1", "HEIC"),
    (0, b"\xff\x0a", "JPEG XL"),
    (4, b"JXL \r\n", "JPEG XL"),
    (4, b"jP  \r\n", "JPEG 2000"),
    (0, b"\xffO\xffQ", "JPEG 2000"),
    (0, b"8BPS", "Photoshop"),
    (0, b"%!PS", "PostScript"),
    (0, b"%PDF", "PDF"),
    (0, b"version https://git-lfs", "Git LFS pointer"),
    (0, b"<svg", "SVG"),
    (0, b"<!DOCTYPE", "HTML or XML"),
    (0, b"<!doctype", "HTML or XML"),
    (0, b"<html", "HTML or XML"),
    (0, b"<?xml", "HTML or XML"),
)
"""Place, bytes, and the format that a file with these bytes at this place has."""

_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""How a picture of each EXIF orientation is turned upright."""

_SPACES = {
    **dict.fromkeys(("1", "L", "LA", "La"), "L"),
    **dict.fromkeys(("RGB", "RGBA", "RGBa", "RGBX", "P", "PA", "YCbCr"), "RGB"),
    "CMYK": "CMYK",
}
"""Colours of each of Pillow's modes of 8 bits: grey, red-green-blue, or printing inks."""

_PROFILED = {"GRAY": ("L",), "RGB ": ("L", "RGB"), "CMYK": ("CMYK",)}
"""Colours that a profile of each kind fits. Grey has the equal red, green and blue of RGB."""


def sniffed(head: bytes) -> str:
    """Return the format that the first bytes of a file show, or "" for none that is known.

    Examples
    --------
    >>> sniffed(b"GIF89a"), sniffed(b"text")
    ('GIF', '')
    """
    found = (name for at, sign, name in _SIGNS if head[at : at + len(sign)] == sign)
    return next(found, "BMP" if head[:2] == b"BM" and head[6:10] == bytes(4) else "")


def is_picture(path: Path) -> bool:
    """Return whether the first bytes of a file are those of one of `FORMATS`.

    Raises
    ------
    OSError
        When it cannot be read.
    """
    with path.open("rb") as file:
        return sniffed(file.read(_HEAD)) in FORMATS


def read_image(path: Path) -> NDArray[np.uint8]:
    """Return the image in a file, turned upright as its metadata ask, in sRGB by its profile.

    A picture without a profile is taken for sRGB. Of 16 bits a channel the upper 8 are kept.

    Returns
    -------
    numpy.ndarray, shape (3, height, width), uint8
        RGB in [0, 255].

    Raises
    ------
    FileFormatError
        When the file is damaged, is no picture, has so many pixels that Pillow takes it for an
        attack, has transparent pixels, or colours that are not read.
    """
    try:
        if path.stat().st_size > _LARGEST:
            raise ValueError(f"a file of over {_LARGEST // 2**20} MiB")
        return decoded(path.read_bytes())
    # Whatever a decoder trips over, it is the file that is wrong.
    except Exception as error:
        known = isinstance(error, ValueError | OSError) and str(error)
        reason = (getattr(error, "strerror", None) or str(error)) if known else repr(error)
        raise FileFormatError(
            f"image {path}",
            f"must be a whole, opaque picture ({', '.join(FORMATS)})",
            shown(reason),
            "Save it again as an opaque RGB picture, or leave it out.",
        ) from error


def middle_square(image: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """Return the middle square of an image, resized by the bicubic filter with antialiasing.

    Parameters
    ----------
    image : numpy.ndarray, shape (3, height, width), uint8
    side : int
        Pixels of each side, at least 1.
    """
    cut = ImageOps.fit(
        Image.fromarray(image.transpose(1, 2, 0)), (side, side), Image.Resampling.BICUBIC
    )
    return np.ascontiguousarray(np.asarray(cut).transpose(2, 0, 1))


def jpeg(image: NDArray[np.uint8], quality: int) -> NDArray[np.uint8]:
    """Return an image after JPEG compression.

    Parameters
    ----------
    image : numpy.ndarray, shape (3, height, width), uint8
    quality : int
        In [1, 95].
    """
    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(image.transpose(1, 2, 0))).save(
        file, "JPEG", quality=quality
    )
    return decoded(file.getvalue())


def decoded(content: bytes) -> NDArray[np.uint8]:
    """Return the image in the bytes of a file, as `read_image` does.

    Raises
    ------
    Exception
        Of any kind, when it cannot be decoded: decoders are not written for hostile files.
    """
    kind = sniffed(content[:_HEAD])
    if not content:
        raise ValueError("an empty file")
    if kind and kind not in FORMATS:
        raise ValueError(f"{kind}, which is not read")
    if kind == "PNG":
        content = _without_text(content)
    try:
        opened = Image.open(io.BytesIO(content), formats=FORMATS)
    except UnidentifiedImageError:
        raise ValueError(f"a damaged {kind}" if kind else "no picture") from None
    with opened as image:
        image.load()
        profile = image.info.get("icc_profile")
        turn = _turn(image)
        pixels = _srgb(_eight_bits(image), profile)
    if turn is not None:
        pixels = pixels.transpose(turn)
    return np.ascontiguousarray(np.asarray(pixels).transpose(2, 0, 1))


def _without_text(content: bytes) -> bytes:
    """Return a PNG without its texts, which may be large; those with the orientation stay."""
    kept, at = [_PNG], len(_PNG)
    while at + 8 <= len(content):
        length, kind = struct.unpack_from(">I4s", content, at)
        end = at + 12 + length
        text = kind in (b"tEXt", b"zTXt", b"iTXt")
        if not text or content.startswith(_KEPT_TEXT, at + 8):
            kept.append(content[at:end])
        at = end
    return b"".join(kept)


def _turn(image: Image.Image) -> Image.Transpose | None:
    """Return what turns a picture upright; metadata that cannot be read say nothing of it."""
    try:
        return _TURNS.get(image.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:
        return None


def _eight_bits(image: Image.Image) -> Image.Image:
    """Return a picture of mode L, RGB or CMYK, after checking that it is opaque."""
    # Older versions of Pillow read 16-bit grey PNG as I.
    if image.mode.startswith("I;16") or (image.mode, image.format) == ("I", "PNG"):
        tags = getattr(image, "tag_v2", {})
        bits = tags.get(ExifTags.Base.BitsPerSample, (16,))[0]
        upper = (np.asarray(image).astype(np.uint16) >> (bits - 8)).clip(0, 255).astype(np.uint8)
        if tags.get(ExifTags.Base.PhotometricInterpretation) == 0:
            upper = 255 - upper
        if "transparency" in image.info:
            raise ValueError("a transparent colour, in 16 bits")
        return Image.fromarray(upper)
    if image.mode not in _SPACES:
        raise ValueError(f"colours of mode {image.mode}, which are not read")
    if image.has_transparency_data and np.asarray(image.convert("RGBA"))[..., 3].min() < 255:
        raise ValueError("transparent pixels, whose colour is anybody's guess")
    return image.convert(_SPACES[image.mode])


def _srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """Return a picture of mode RGB in sRGB, by its colour profile if it has one."""
    if not profile:
        return image.convert("RGB")
    try:
        given = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        fitting = _PROFILED[given.profile.xcolor_space]
        if image.mode not in fitting:
            raise ValueError(f"{given.profile.xcolor_space.strip()} for {image.mode}")
        found = ImageCms.profileToProfile(
            image if len(fitting) == 1 else image.convert("RGB"),
            given,
            ImageCms.createProfile("sRGB"),
            outputMode="RGB",
        )
    except (ImageCms.PyCMSError, OSError, KeyError, ValueError) as error:
        raise ValueError(f"a colour profile that does not fit: {error}") from error
    assert found is not None
    return found
