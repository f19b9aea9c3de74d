"""Addresses of generators: "family:file?key=value&key=value", or "module:object?key=value".

"faces.onnx#z?key=value" is short for "onnx:faces.onnx?input=z&key=value".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from equipoise.core.errors import InputError

Readers = Mapping[str, tuple[Callable[[str], Any], str]]
"""For each key of an address a function from text to a value, and the rule of its text."""

_ONNX = re.compile(r"(onnx:)?(?P<file>[^?#]+\.onnx)(#(?P<input>[^?#&=]+))?(\?(?P<query>.*))?")
_PT2 = re.compile(r"[^?#]+\.pt2(\?.*)?")
_REMEDY = 'Write it like "stylegan2:faces.pkl?space=w&truncation=1".'


@dataclass(frozen=True)
class Address:
    """The parts of a generator's address.

    Attributes
    ----------
    family : str
        Kind of generator: "stylegan2", "onnx", ...
    file : Path
        File or folder of its weights.
    options : tuple of (str, str)
        Keys and values, in the order given.
    """

    family: str
    file: Path
    options: tuple[tuple[str, str], ...] = ()


def expand_shorthand(text: str) -> str:
    """Return the long form of an address that names an ONNX file by its suffix; others unchanged.

    Raises
    ------
    InputError
        When the file is one of torch.export (.pt2), which Equipoise does not read.

    Examples
    --------
    >>> expand_shorthand("faces.onnx#z?stem=hidden")
    'onnx:faces.onnx?input=z&stem=hidden'
    """
    if _PT2.fullmatch(text):
        raise InputError(
            "generator",
            "must be an ONNX or TorchScript file; torch.export files (.pt2) are not supported",
            text,
            "Export the network by torch.onnx.export, or save it by "
            "torch.jit.save(torch.jit.trace(network, codes), 'faces.pt') and pass "
            "torchscript:faces.pt.",
        )
    found = _ONNX.fullmatch(text)
    if found is None:
        return text
    options = [found["input"] and f"input={found['input']}", found["query"]]
    query = "&".join(filter(None, options))
    return f"onnx:{found['file']}?{query}" if query else f"onnx:{found['file']}"


def parse_address(text: str) -> Address:
    """Parse an address in its long form.

    Raises
    ------
    InputError
        When a part is missing or an option is repeated.

    Examples
    --------
    >>> parse_address("stylegan2:faces.pkl?space=w").options
    (('space', 'w'),)
    """
    family, colon, rest = text.partition(":")
    file, mark, query = rest.partition("?")
    parts = query.split("&") if mark else []
    pairs = [part.partition("=") for part in parts]
    if not (family and colon and file) or not all(k and e and v for k, e, v in pairs):
        raise InputError("generator", "must be family:file?key=value&key=value", text, _REMEDY)
    options = tuple((key, value) for key, _, value in pairs)
    if len({key for key, _ in options}) < len(options):
        raise InputError("options of the generator", "must each be given once", text, _REMEDY)
    return Address(family, Path(file), options)


def with_defaults(text: str, defaults: Mapping[str, str]) -> str:
    """Return an address in its long form, with options where it gives none of that key.

    Examples
    --------
    >>> with_defaults("stylegan2:faces.pkl?truncation=1", {"space": "w", "truncation": "0.7"})
    'stylegan2:faces.pkl?truncation=1&space=w'
    """
    given = dict(parse_address(text).options)
    more = [f"{key}={value}" for key, value in defaults.items() if key not in given]
    return text + ("&" if given else "?") + "&".join(more) if more else text


def with_option(text: str, key: str, value: str) -> str:
    """Return an address in its long form with an option set, in place of one of that key.

    Raises
    ------
    InputError
        When it is no address that has options.

    Examples
    --------
    >>> with_option("diffusers-text:sd?prompts=jobs.csv&guidance=5", "guidance", "3")
    'diffusers-text:sd?prompts=jobs.csv&guidance=3'
    """
    if ":" not in text:
        remedy = "Name its file, such as toy-text:jobs.csv."
        raise InputError("generator", "must be an address with options", text, remedy)
    kept = {**dict(parse_address(text).options), key: value}
    return text.partition("?")[0] + "?" + "&".join(f"{k}={v}" for k, v in kept.items())


def with_prompts(text: str, file: str) -> str:
    """Return the address of a generator of text with another list of prompts.

    Raises
    ------
    InputError
        When the generator takes no list of prompts.

    Examples
    --------
    >>> with_prompts("toy-text", "jobs.csv")
    'toy-text:jobs.csv'
    """
    if text == "toy-text":
        return f"{text}:{file}"
    if text.startswith("diffusers-text:"):
        return with_option(text, "prompts", file)
    rule = "must be toy-text or diffusers-text: to take a list of prompts"
    raise InputError("generator", rule, text, "Pass --contexts own for contexts of its own.")


def read_options(
    pairs: tuple[tuple[str, str], ...],
    readers: Readers,
    what: str,
) -> dict[str, Any]:
    """Return the values of the options of an address.

    Parameters
    ----------
    pairs : tuple of (str, str)
        Keys and values.
    readers : mapping of str to (callable, str)
        For each allowed key a function that raises KeyError or ValueError for a wrong text, and the
        rule in words: "a whole number".
    what : str
        The generator, as errors name it: "a StyleGAN".

    Raises
    ------
    InputError
        When a key is not allowed, or a value breaks its rule.

    Examples
    --------
    >>> read_options((("cutoff", "3"),), {"cutoff": (int, "a whole number")}, "a StyleGAN")
    {'cutoff': 3}
    """
    values = {}
    for key, text in pairs:
        if key not in readers:
            rule = f"must be one of {', '.join(readers)}"
            raise InputError(f"option of {what}", rule, key[:80], "Leave it out.")
        reader, rule = readers[key]
        try:
            values[key] = reader(text)
        except (KeyError, ValueError) as error:
            raise InputError(key, f"must be {rule}", text[:80], "Correct it.") from error
    return values
