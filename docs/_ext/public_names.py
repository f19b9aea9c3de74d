"""Writes the page of the public names, from the package itself.

The names are those of `equipoise.__all__`, grouped by the package that defines them, and the
protocols that users implement. The page is `reference/public-names.rst`; autosummary makes the rest
from the docstrings. Neither is kept in the repository.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

PROTOCOLS = (
    "equipoise.Generator",
    "equipoise.Classifier",
    "equipoise.generators.base.Prompted",
    "equipoise.generators.base.Staged",
    "equipoise.audit.superres.models.base.SuperResolutionModel",
    "equipoise.measure.features.base.Features",
    "equipoise.samplers.sampler.LatentSource",
)
"""What users write themselves: any object with the members of one of these will do."""

STAGES = {
    "pipeline": "The whole flow",
    "core": "Attributes, cells, targets and settings",
    "generators": "Generators",
    "classifiers": "Classifiers",
    "labelling": "Labelling",
    "methods": "Methods",
    "samplers": "Samplers",
    "measure": "Measuring",
}
"""Title of each package that has public names, in the order of the page."""


def _home(name: str) -> str:
    """Return the package below `equipoise` that defines a public name."""
    module = str(getattr(import_module("equipoise"), name).__module__)
    return module.removeprefix("equipoise.").split(".")[0]


def _table(names: list[str], *, own_pages: bool = True) -> list[str]:
    options = ["   :toctree: generated"] if own_pages else []
    return [".. autosummary::", *options, "", *(f"   ~{name}" for name in names), ""]


def page() -> str:
    """Return the page as reStructuredText."""
    groups: dict[str, list[str]] = {}
    for name in sorted(import_module("equipoise").__all__, key=str.lower):
        groups.setdefault(_home(name), []).append(f"equipoise.{name}")
    order = [*STAGES, *sorted(set(groups) - set(STAGES))]
    lines = [
        "Public names",
        "============",
        "",
        "All of these can be imported from ``equipoise``. They are loaded when first used, so that",
        "``import equipoise`` is quick.",
        "",
    ]
    for package in (name for name in order if name in groups):
        title = STAGES.get(package, package.capitalize())
        lines += [title, "-" * len(title), "", *_table(groups[package])]
    lines += [
        "Protocols",
        "---------",
        "",
        "Any object with these members will do; nothing is inherited.",
        "",
        *_table([name for name in PROTOCOLS if name.count(".") == 1], own_pages=False),
        *_table([name for name in PROTOCOLS if name.count(".") > 1]),
    ]
    return "\n".join(lines)


def _write(app: Any, config: Any) -> None:
    path = Path(app.srcdir) / "reference" / "public-names.rst"
    text = page()
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")


def setup(app: Any) -> dict[str, bool]:
    """Register with Sphinx."""
    app.connect("config-inited", _write)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
