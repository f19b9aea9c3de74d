"""The page of a data set, README.md: what the images are, for people and for the Hugging Face hub.

The hub reads its head, YAML between two lines of dashes: how to load the images, their number, and
words by which they are found ("Dataset Cards", huggingface_hub's documentation).
"""

from __future__ import annotations

import json
from collections.abc import Sequence

FILE = "README.md"

_SIZES = (
    (1_000, "n<1K"),
    (10_000, "1K<n<10K"),
    (100_000, "10K<n<100K"),
    (1_000_000, "100K<n<1M"),
    (10_000_000, "1M<n<10M"),
    (100_000_000, "10M<n<100M"),
    (1_000_000_000, "100M<n<1B"),
)
"""The hub's classes of size, each with the number of images that it ends before."""

TARS = ("*.tar",)
"""Files of an export in shards that a loader reads."""

FOLDER = ("metadata.csv", "images/*.png")
"""Files of a folder that a loader reads."""


def dataset_card(name: str, images: int, files: Sequence[str], body: Sequence[str]) -> str:
    """Return the page.

    Parameters
    ----------
    name : str
        Of the data set.
    images : int
    files : sequence of str
        Patterns of the files that a loader reads: `TARS` or `FOLDER`.
    body : sequence of str
        Lines of Markdown below the title.
    """
    size = next((words for end, words in _SIZES if images < end), "n>1B")
    # JSON with its characters as they are is YAML, so that no name breaks the head.
    head = [
        f"pretty_name: {json.dumps(name, ensure_ascii=False)}",
        'tags: ["synthetic", "equipoise"]',
        'task_categories: ["image-classification"]',
        f'size_categories: ["{size}"]',
        "configs:",
        '- config_name: "default"',
        f"  data_files: {json.dumps(list(files))}",
    ]
    return "\n".join(["---", *head, "---", "", f"# {_plain(name)}", "", *body, ""])


def loaded_as_tars(page: str) -> str:
    """Return the page of a folder whose images have gone into tars."""
    return page.replace(json.dumps(list(FOLDER)), json.dumps(list(TARS)), 1)


def cell_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Return the lines of a table whose texts cannot break it."""
    lines = [[_plain(text) for text in line] for line in (header, *rows)]
    lines.insert(1, ["---"] * len(header))
    return ["| " + " | ".join(line) + " |" for line in lines]


def _plain(text: str) -> str:
    """Return a text without the marks of tables and of HTML."""
    escaped = text.replace("\\", "\\\\").replace("|", "\\|").replace("&", "&amp;")
    return escaped.replace("<", "&lt;").replace("\n", " ")


def reading(classifiers: Sequence[str]) -> str:
    """Return what a reader of the images must know."""
    return (
        f"Cells are those that classifiers see: {', '.join(map(_plain, classifiers))}. Every "
        "picture says that it is synthetic (IPTC DigitalSourceType). `croissant.json` describes "
        "the columns. Synthetic images reveal failures of a model; they do not certify its "
        "performance on photographs."
    )


WEIGHTED = "Averages over images of one cell are weighted by the column `weight` of the metadata."
"""For draws that carry weights."""
