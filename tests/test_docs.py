"""README and pages: commands parse, links lead to files, words are plain."""

from __future__ import annotations

import re
import runpy
import shlex
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import typer

import equipoise
from equipoise.cli import app
from equipoise.core.records import field_types

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
DOCS = sorted(p for p in (ROOT / "docs").rglob("*.md") if "gallery" not in p.parts)
EXAMPLES = sorted(p for p in (ROOT / "examples").rglob("*.md") if "node_modules" not in p.parts)
PAGES = [README, ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", ROOT / "SECURITY.md"]
PAGES += [ROOT / "CODE_OF_CONDUCT.md", *DOCS, *EXAMPLES]

_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.S | re.M)
_COMMAND = re.compile(r"^ {0,4}(?:\$ )?(?:PYTHONPATH=\. )?equipoise ", re.M)


def commands(text: str) -> Iterator[str]:
    """Yield the command lines of fenced and indented blocks, continuation lines joined."""
    for line in text.replace("\\\n", " ").splitlines():
        if _COMMAND.match(line) and "..." not in line:
            yield line.strip().removeprefix("$ ").removeprefix("PYTHONPATH=. ")


def prose(text: str) -> str:
    """Return a page without its code."""
    return re.sub(r"^ {4}.*$|`[^`\n]*`", "", _BLOCK.sub("", text), flags=re.M)


@pytest.fixture(scope="module")
def parse() -> Callable[[str], None]:
    """Parse a command line as the real one does, and do nothing."""
    command: Any = typer.main.get_command(app)

    def disarm(one: Any) -> None:
        for child in getattr(one, "commands", {}).values():
            disarm(child)
        one.callback = lambda **_: None

    disarm(command)

    def run(line: str) -> None:
        words = shlex.split(line, comments=True)
        command.main(args=words[1:], prog_name="equipoise", standalone_mode=False)

    return run


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_parse(page: Path, parse: Callable[[str], None]) -> None:
    for line in commands(page.read_text(encoding="utf-8")):
        try:
            parse(line)
        except Exception as error:
            pytest.fail(f"{line}: {error!r}")


def test_commands_are_found_and_refused(parse: Callable[[str], None]) -> None:
    assert len(list(commands(README.read_text(encoding="utf-8")))) >= 12
    for line in ("equipoise sample x.safetensors", "equipoise balance --nonsense 1 --out x"):
        with pytest.raises(Exception, match=r"out|nonsense"):
            parse(line)


def test_readme_fits_a_screen() -> None:
    lines = README.read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if len(line) >= 100] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_to_files(page: Path) -> None:
    text = _BLOCK.sub("", page.read_text(encoding="utf-8"))
    for link in re.findall(r"\]\(([^)\s#]+)", text):
        made = ("gallery/", "public-names", "../../actions/")
        if not link.startswith(("http", *made)):
            assert (page.parent / link).exists(), link


_ODD = r"\b(tells?|told|telling|anew|hardly|what it is fed|ladders?|climb\w*)\b"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_words_are_plain(page: Path) -> None:
    text = prose(page.read_text(encoding="utf-8"))
    found = re.search(rf"{_ODD}|\d %", text, flags=re.I)
    assert found is None, found


def test_words_of_the_source_are_plain() -> None:
    kinds = ("*.py", "*.jinja", "static/*.js")
    files = [path for kind in kinds for path in (ROOT / "src").rglob(kind)]
    files += [
        path for path in (ROOT / "examples").rglob("*.py") if "node_modules" not in path.parts
    ]
    assert len(files) > 300
    odd = [
        f"{path.relative_to(ROOT)}: {found[0]}"
        for path in files
        if not path.name.endswith(".min.js")
        for found in re.finditer(_ODD, re.sub(r"\.tell\(\)", "", path.read_text()), flags=re.I)
    ]
    assert odd == []


@pytest.mark.parametrize("name", ["flow", "faithfulness"])
def test_pictures_are_what_their_scripts_make(name: str) -> None:
    folder = ROOT / "docs" / "pictures"
    made = runpy.run_path(str(folder / f"{name}.py"))
    assert (folder / f"{name}.svg").read_text(encoding="utf-8") == made["picture"]()


def test_the_reference_has_every_public_name() -> None:
    made = runpy.run_path(str(ROOT / "docs" / "_ext" / "public_names.py"))
    page = made["page"]()
    for name in equipoise.__all__:
        assert f"   ~equipoise.{name}\n" in page
    for name in made["PROTOCOLS"]:
        module, _, protocol = name.rpartition(".")
        assert getattr(import_module(module), protocol) is not None
        assert f"   ~{name}\n" in page


def test_the_reference_has_every_command() -> None:
    made = runpy.run_path(str(ROOT / "docs" / "_ext" / "command_line.py"))
    text = made["reference"]()
    for name in ("balance", "audit classifier", "label import", "zoo list"):
        assert f"\n## equipoise {name}\n" in "\n" + text
    assert re.search(r":::{option} --directed <?float", text, re.I)


def test_layouts_of_records_are_those_of_the_classes() -> None:
    made = runpy.run_path(str(ROOT / "docs" / "schema.py"))
    for path, text in made["written"]().items():
        assert path.read_text(encoding="utf-8") == text, f"Run `python docs/schema.py`: {path}"


def test_every_field_of_a_record_has_a_schema_and_a_place_on_the_page() -> None:
    made = runpy.run_path(str(ROOT / "docs" / "schema.py"))
    page = (ROOT / "docs" / "record.md").read_text(encoding="utf-8")
    for name, (kinds, _) in made["FILES"].items():
        schema = made["schema"](name)
        jsonschema.Draft202012Validator.check_schema(schema)
        for part in (part for kind in kinds for part in made["parts"](kind)):
            assert f"## {part.__name__}\n" in page
            assert list(schema["$defs"][part.__name__]["properties"]) == [*field_types(part)]
