"""Descriptions of remote models and image services in TOML. Errors name the field."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from equipoise.classifiers.remote.answers import AnswerReading, DescriptorReading
from equipoise.classifiers.remote.description import (
    Answer,
    Description,
    answer_reading,
    descriptor_reading,
)
from equipoise.core.files import read_toml
from equipoise.core.toml_tables import Table
from equipoise.runtimes.http.image_encoding import FILTERS, FORMATS, Picture
from equipoise.runtimes.http.json_body import json_body
from equipoise.runtimes.http.service import (
    JSON_UPLOADS,
    UPLOADS,
    HttpRequest,
    ImageService,
    RateLimits,
    RekognitionRequest,
    Secret,
)
from equipoise.runtimes.http.transport import check_url

_GUIDE = "docs/remote-classifiers.md"
_ENVIRONMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")
_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}")
_FIXED_HEADERS = ("host", "content-length", "transfer-encoding", "accept-encoding")
"""Headers that the client sets itself."""


def read_description(path: Path) -> Description[AnswerReading]:
    """Read the description of a classifier in a TOML file.

    Raises
    ------
    InputError
        When the file cannot be read, or a field is missing, unknown, or breaks its rule.
    """
    return make_description(read_toml(path, f"{_GUIDE} shows one."))


def read_descriptor_description(path: Path) -> Description[DescriptorReading]:
    """Read the description of a model of descriptors in a TOML file.

    Raises
    ------
    InputError
        When the file cannot be read, or a field is missing, unknown, or breaks its rule.
    """
    return _description(Table(read_toml(path, f"{_GUIDE} shows one.")), descriptor_reading)


def read_image_service(path: Path) -> ImageService:
    """Read the description of an image service in a TOML file: the same fields, no attributes.

    Raises
    ------
    InputError
        When the file cannot be read, or a field is missing, unknown, or breaks its rule.
    """
    file = Table(read_toml(path, f"{_GUIDE} shows one."))
    service = ImageService(
        file.text("name"),
        file.sentences("caveats"),
        _http(file.table("request")),
        _picture(file.table("picture")),
        _limits(file.table("limits")),
    )
    file.done()
    return service


def make_description(values: dict[str, Any]) -> Description[AnswerReading]:
    """Return the description of a classifier in the parsed content of a TOML file.

    Raises
    ------
    InputError
        When a field is missing, unknown, or breaks its rule.
    """
    return _description(Table(values), answer_reading)


def _description(file: Table, reading: Callable[[Table], Answer]) -> Description[Answer]:
    name, caveats = file.text("name"), file.sentences("caveats")
    request: HttpRequest | RekognitionRequest
    if "rekognition" in file:
        table = file.table("rekognition")
        request = RekognitionRequest(table.text("region") if "region" in table else "")
        table.done()
    else:
        request = _http(file.table("request"))
    description = Description(
        name,
        caveats,
        request,
        _picture(file.table("picture")),
        _limits(file.table("limits")),
        reading(file),
    )
    file.done()
    return description


def _http(table: Table) -> HttpRequest:
    url = check_url(table.text("url"), table.name("url"), insecure=table.flag("insecure"))
    upload = table.text("upload", "multipart", UPLOADS)
    service = table.text("service", urlsplit(url)._replace(query="").geturl())
    request = HttpRequest(
        service,
        url,
        table.text("method", "POST", ("POST", "PUT")),
        _headers(table.table("headers")),
        upload,
        table.text("field", "image"),
        tuple(_values(table.table("fields"), header=False, numbers=upload in JSON_UPLOADS)),
        tuple(int(n) for n in table.numbers("answers", ())),
        table.texts("busy", ()),
    )
    if upload == "raw" and request.fields:
        raise table.error("fields", "must be left out when upload is raw", "fields")
    if upload in JSON_UPLOADS:
        try:
            json_body(dict.fromkeys([*(name for name, _ in request.fields), request.field]))
            if any(name == request.field for name, _ in request.fields):
                raise ValueError(f"{request.field} is given twice")
        except ValueError as error:
            rule = "must be places in one JSON body, as images[0].data"
            raise table.error("field", rule, str(error)) from None
    table.done()
    return request


def _headers(table: Table) -> tuple[tuple[str, str | Secret], ...]:
    found = _values(table, header=True, numbers=False)
    return tuple((name, value) for name, value in found if isinstance(value, str | Secret))


def _values(table: Table, *, header: bool, numbers: bool) -> list[tuple[str, str | float | Secret]]:
    found: list[tuple[str, str | float | Secret]] = []
    for name in table.fields():
        rule = 'must be a text or {env = "NAME", prefix = "..."}'
        value = table.value(name, rule)
        if header and (not _HEADER.fullmatch(name) or name.lower() in _FIXED_HEADERS):
            raise table.error(name, "must be a header that can be set", name)
        if isinstance(value, dict):
            secret = Table(value, table.name(name).removeprefix("field "))
            env = secret.text("env")
            if not _ENVIRONMENT.fullmatch(env):
                raise secret.error("env", "must be the name of an environment variable", env)
            found.append((name, Secret(env, secret.text("prefix") if "prefix" in secret else "")))
            secret.done()
        elif _is_value(value, header, numbers):
            found.append((name, value))
        else:
            raise table.error(name, rule, value)
    return found


def _is_value(value: Any, header: bool, numbers: bool) -> bool:
    if isinstance(value, int | float):
        return numbers and math.isfinite(value)
    return isinstance(value, str) and (not header or (value.isascii() and value.isprintable()))


def _picture(table: Table) -> Picture:
    picture = Picture(
        table.text("format", "png", FORMATS),
        table.whole("side", 0, 0, 4096),
        table.text("filter", "bicubic", tuple(FILTERS)),
        table.number("margin", 0.0, 0, 2),
        table.whole("quality", 95, 1, 100),
    )
    table.done()
    return picture


def _limits(table: Table) -> RateLimits:
    limits = RateLimits(
        table.number("rate", 0.0, 0, 1e4),
        table.whole("concurrency", 4, 1, 64),
        table.number("time_out", 30.0, 0.01, 600),
        table.whole("retries", 5, 0, 20),
        table.number("back_off", 0.5, 0, 60),
        table.number("longest_wait", 120.0, 0, 3600),
        table.whole("stop_after", 20, 1, 10**6),
    )
    table.done()
    return limits
