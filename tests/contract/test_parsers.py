"""Every parser of what a user or a foreign file says: a value, or the documented error.

Nothing else may come out of any text, table or bytes: no KeyError of the parser's own, no loop
without end. What a parser accepts must read back as the same value where it can be written out.
"""

from __future__ import annotations

import io
import json
import math
import pickle
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from equipoise.classifiers import open_classifier
from equipoise.classifiers.clip import parse_prompts
from equipoise.classifiers.local.description import read_description, template
from equipoise.classifiers.remote import make_description
from equipoise.classifiers.remote.answers import WrongShape, parse_json, parse_path
from equipoise.classifiers.remote.toml_file import read_image_service
from equipoise.core.attributes import Attribute, AttributeGrid
from equipoise.core.errors import EquipoiseError, FileFormatError, InputError
from equipoise.core.files import read_toml
from equipoise.core.settings import Settings, from_dict, make_settings
from equipoise.core.tables import read_rows
from equipoise.core.targets import Target, parse_target
from equipoise.generators.address import expand_shorthand, parse_address
from equipoise.generators.diffusion.generator import options_of as diffusion_options
from equipoise.generators.diffusion.text_generator import values_of as text_options
from equipoise.generators.networks.description import describe
from equipoise.generators.prompts import read_prompts
from equipoise.generators.stylegan.options import options_of as stylegan_options
from equipoise.runtimes.http.transport import check_url
from equipoise.runtimes.pickles.reader import read_pickle

GRID = AttributeGrid(
    (Attribute("smiling", ("no", "yes")), Attribute("tone", ("dark", "medium", "light")))
)


def written(*tokens: str) -> st.SearchStrategy[str]:
    """Texts of a grammar's tokens, and of anything else, in any order."""
    pieces = st.one_of(st.sampled_from(tokens), st.sampled_from(tokens), st.text(max_size=6))
    return st.lists(pieces, max_size=14).map("".join)


def values(*names: str) -> st.SearchStrategy[dict[str, Any]]:
    """TOML documents whose keys are mostly the fields of a format."""
    key = st.one_of(st.sampled_from(names), st.text(max_size=5))
    leaf = st.one_of(
        st.sampled_from(names),
        st.text(max_size=8),
        st.integers(),
        st.floats(),
        st.booleans(),
        st.dates(),
    )
    tree = st.recursive(
        leaf,
        lambda inner: st.one_of(
            st.lists(inner, max_size=3), st.dictionaries(key, inner, max_size=4)
        ),
        max_leaves=12,
    )
    return st.dictionaries(key, tree, max_size=6)


def in_file(content: bytes, name: str, read: Callable[[Path], object]) -> None:
    """Read a file of some content, which may be refused by a documented error alone."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(content)
        with suppress(InputError, FileFormatError):
            read(path)


TARGETS = written(
    "uniform", "marginals", "conditional", ":", "smiling", "tone", "=", "yes", "no", "dark",
    "light", ",", ";", "|", "1", "0", "-1", "1e400", "nan", "inf", " ", "t.csv", "t.json",
)  # fmt: skip


@given(TARGETS)
@example("marginals: smiling=yes:1e308,no:1e308")
@example("a\0.csv")
@example("x" * 5000 + ".json")
def test_targets(text: str) -> None:
    with suppress(InputError):
        shares = parse_target(text, GRID).resolve(np.full(6, 1 / 6)).shares
        assert shares.shape == (6,)
        assert shares.min() >= 0
        assert math.isclose(shares.sum(), 1)


@given(st.lists(st.floats(0, 1e300), min_size=6, max_size=6).filter(any))
def test_a_table_of_shares_reads_back(shares: list[float]) -> None:
    table = dict(zip(GRID.cells, shares, strict=True))
    target = Target.table(GRID, table)
    in_file(
        json.dumps(table).encode(),
        "t.json",
        lambda path: np.testing.assert_array_equal(
            parse_target(str(path), GRID).resolve(None).shares, target.shares
        ),
    )


@given(st.sampled_from(("t.csv", "t.json")), st.one_of(st.binary(max_size=60), TARGETS))
@example("t.json", '{"smiling=no, tone=dark": 1e999}')
@example("t.csv", '"smiling')
def test_files_of_targets(name: str, content: str | bytes) -> None:
    data = content if isinstance(content, bytes) else content.encode("utf-8", "surrogatepass")
    in_file(data, name, lambda path: parse_target(str(path), GRID))


@given(written("smiling", "tone", "=", ",", " ", "yes", "no", "dark", "light"))
def test_cells(text: str) -> None:
    with suppress(InputError):
        assert 0 <= GRID.index(text) < GRID.size


ADDRESSES = written(
    "stylegan2", "stylegan3", "torchscript", "onnx", ":", "faces.onnx", "faces.pkl", "#", "?",
    "&", "=", "space", "w+", "truncation", "0.5", "nan", "class", "0:1,3:2", "steps", "stem",
    "shape", "100x1x1", "range", "-1..1", "prior", "normal", "settings", "revision", "-1",
)  # fmt: skip


@given(ADDRESSES)
@example("onnx:a?shape=" + "9" * 5000)
@example("stylegan2:a?class=" + "9" * 5000)
@example("stylegan2:a?truncation=nan")
def test_addresses_of_generators(text: str) -> None:
    with suppress(InputError):
        long = expand_shorthand(text)
        address = parse_address(long)
        query = "&".join(f"{key}={value}" for key, value in address.options)
        assert long.startswith(f"{address.family}:")
        assert long.endswith(query)
        readers: tuple[Callable[[Any], object], ...] = (
            stylegan_options,
            describe,
            lambda pairs: diffusion_options(pairs, False),
            text_options,
        )
        for read in readers:
            with suppress(InputError):
                read(address.options)


@given(
    st.sampled_from(("stylegan2", "onnx")),
    st.dictionaries(
        st.sampled_from(("space", "class", "noise", "stem")),
        st.text("abc019:,.+-", min_size=1),
    ),
)
def test_an_address_reads_back(family: str, options: dict[str, str]) -> None:
    query = "&".join(f"{key}={value}" for key, value in options.items())
    address = parse_address(f"{family}:faces.bin" + ("?" + query if query else ""))
    assert (address.family, str(address.file)) == (family, "faces.bin")
    assert dict(address.options) == options


@given(
    written("pinned:", "beard", "nowhere_to_be_found", ":", "model", ".toml", ".onnx", ".pt", "/")
)
@example("")
@example(":")
@example(".:x")
@example("a\0b:c")
@example("json:dumps")
@example("x" * 5000 + ".toml")
@example("x" * 5000 + ".onnx")
@example("a\0.onnx")
def test_addresses_of_classifiers(text: str) -> None:
    if not text.startswith(("hf:", "clip:")):  # They may load from a network.
        with pytest.raises(EquipoiseError):
            open_classifier(text)


@given(written("smiling", "=", "|", ":", "a face", "yes", "no", " ", "unknown"))
def test_prompts(text: str) -> None:
    with suppress(InputError):
        attribute, prompts = parse_prompts(text)
        assert len(prompts) == len(attribute.levels) >= 2


@given(
    st.binary(max_size=80)
    | written(
        "[input]", "[[attribute]]", "[", "]", "\n", "=", "size", "name", "levels", '"', "224",
        "mean", "0.5", ",", "nan", "labels", "map", "{", "}", "columns", "-1",
    ).map(lambda text: text.encode("utf-8", "surrogatepass"))
)  # fmt: skip
def test_toml_files(content: bytes) -> None:
    for read in (lambda path: read_toml(path, "a page"), read_image_service, read_description):
        in_file(content, "a.toml", read)


FIELDS = (
    "size", "filter", "crop", "scale", "mean", "std", "channels", "layout", "dtype", "name",
    "levels", "ordered", "activation", "output", "columns", "labels", "map", "thresholds",
)  # fmt: skip


@given(st.sampled_from(FIELDS), st.text(max_size=12) | st.integers() | st.floats())
def test_a_description_of_a_model_file_with_one_odd_field(field: str, value: object) -> None:
    written_value = json.dumps(value) if isinstance(value, str) else str(value)
    text = template(Path("a.onnx")) + f"{field} = {written_value}\n"
    in_file(text.encode("utf-8", "surrogatepass"), "a.toml", read_description)


@given(
    values(
        "name", "caveats", "request", "url", "method", "headers", "env", "upload", "fields",
        "https://a.b/c", "http://127.0.0.1:1", "picture", "format", "png", "side", "limits", "rate",
        "no_face", "path", "is", "equal", "attribute", "levels", "label", "probabilities", "score",
        "thresholds", "map", "rekognition", "region", "percent", "ordered",
    )
)  # fmt: skip
def test_descriptions_of_services(document: dict[str, Any]) -> None:
    with suppress(InputError):
        make_description(document)
    sound = {"name": "a", "request": {"url": "https://a.b/c"}}
    attribute = {"name": "smiling", "levels": ["no", "yes"], "label": "a.b"}
    for odd in (attribute | document, document):
        with suppress(InputError):
            make_description(sound | {"attribute": [odd]})
    with suppress(InputError):
        make_description(
            {"name": "a", "request": sound["request"] | document, "attribute": [attribute]}
        )


@given(written("https://", "http://", "a.b", "127.0.0.1", ":", "@", "#", "?", "[", "]", "::1", "/"))
def test_urls(text: str) -> None:
    with suppress(InputError):
        assert check_url(text, "url").startswith(("https://", "http://"))


@given(written("a", ".", "[", "]", "0", "99999", "b-c", "$"))
def test_paths_into_answers(text: str) -> None:
    try:
        path = parse_path(text)
    except ValueError as error:
        assert "must be keys and positions" in str(error)
    else:
        again = "".join(f"[{s}]" if isinstance(s, int) else f".{s}" for s in path.steps)
        assert parse_path(again.removeprefix(".") or ".").steps == path.steps
        path.find({"a": [{"b-c": None}]})


@given(st.text() | written("{", "}", "[", "]", '"a"', ":", ",", "NaN", "1e999", "Infinity"))
@example("[" * 100_000)
def test_answers(text: str) -> None:
    with suppress(WrongShape):
        assert parse_json(text) == json.loads(text)


SETTINGS = tuple(Settings().to_dict())


@given(
    st.dictionaries(
        st.sampled_from(SETTINGS),
        st.one_of(
            st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8),
            st.lists(st.text(max_size=4) | st.integers(), max_size=3),
            st.sampled_from(("bic", "tilt", "shift,mixture", "12", "\u0661")),
        ),
        max_size=4,
    )
)  # fmt: skip
def test_settings(given_values: dict[str, Any]) -> None:
    """What is accepted reads back; NaN, which differs from itself, is never accepted."""
    with suppress(InputError):
        settings = from_dict(given_values)
        assert from_dict(json.loads(json.dumps(settings.to_dict()))) == settings
        assert make_settings(given_values).n >= 1


@given(st.binary(max_size=60) | written(*SETTINGS, "=", "\n", "1", '"a"', "[", "]").map(str.encode))
def test_files_of_settings(content: bytes) -> None:
    in_file(content, "s.toml", lambda path: make_settings({}, path))


@given(
    st.binary(max_size=60) | written("image", "smiling", ",", ";", "\n", '"', "yes").map(str.encode)
)
def test_tables(content: bytes) -> None:
    in_file(content, "t.csv", lambda path: list(read_rows(path, ("image",))))


@given(
    written("nurse", "a nurse", ",", ",", "\n", '"', "0.5", "gender=female", "-1").map(str.encode)
)
def test_lists_of_prompts(rows: bytes) -> None:
    def read(path: Path) -> None:
        found = read_prompts(path)
        sizes = {len(texts) for texts in found.texts}
        assert sizes == {1 + len(found.edits)}
        assert math.isclose(sum(found.shares), 1)

    in_file(b"id,text,share,negative,cell\n" + rows, "p.csv", read)


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(PLAIN, st.integers(2, 5))
def test_a_pickle_of_plain_values_reads_back(value: object, protocol: int) -> None:
    assert read_pickle(io.BytesIO(pickle.dumps(value, protocol)), (), "a file") == value


@given(PLAIN, st.integers(0, 5), st.lists(st.tuples(st.integers(0, 200), st.integers(0, 255))))
def test_damaged_pickles(value: object, protocol: int, changes: list[tuple[int, int]]) -> None:
    content = bytearray(pickle.dumps(value, protocol))
    for at, byte in changes:
        content[at % len(content)] = byte
    with suppress(FileFormatError):
        read_pickle(io.BytesIO(bytes(content)), (), "a file")


@given(st.binary(max_size=80))
def test_bytes_that_are_no_pickle(content: bytes) -> None:
    with suppress(FileFormatError):
        read_pickle(io.BytesIO(content), (), "a file")
