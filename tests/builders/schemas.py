"""Checks of written records against the JSON schemas of docs/schemas."""

import json
from pathlib import Path

import jsonschema

SCHEMAS = Path(__file__).parents[2] / "docs" / "schemas"


def assert_valid(path: Path, name: str) -> None:
    """Check that a file has the layout of the schema NAME.json."""
    schema = json.loads((SCHEMAS / f"{name}.json").read_text())
    jsonschema.Draft202012Validator(schema).validate(json.loads(path.read_text()))
