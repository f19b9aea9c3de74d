"""The folder that raters are given, blind to what the classifier said, and its other half.

to_label.csv      one row an image, one empty column an attribute: for raters
how_to_label.txt  the levels of each attribute: for raters
scale_NAME.png    the colours of a scale of skin tones, in their order: for raters
images/, sheets/  the images under new names, alone and on numbered sheets: for raters
answers.csv       what the classifier said of each image: not for raters
plan.json         how the images were chosen, and from how many: not for raters

Which images people are to judge: by chance within each answer of the classifier.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont, ImageOps
from PIL.PngImagePlugin import PngInfo

from equipoise.classifiers.panel import ClassifierPanel
from equipoise.core.attributes import UNKNOWN, UNKNOWN_NAME, Attribute, AttributeGrid
from equipoise.core.errors import FileFormatError, InputError, check_count
from equipoise.core.files import atomic_path, printable, storage
from equipoise.core.progress import Execution, Progress, no_progress
from equipoise.core.records import read_record, write_record
from equipoise.core.seeds import Stream, generator_for
from equipoise.core.synthetic_mark import count_marked, packet
from equipoise.core.tables import read_rows, write_rows
from equipoise.labelling.image_files import label_files
from equipoise.labelling.picture import read_image
from equipoise.measure.people.scales import Scale, scale_of
from equipoise.samplers.export.metadata import LabelledFolder, _draws, parse_draws
from equipoise.samplers.export.png import xmp

TABLE, ANSWERS, PLAN = "to_label.csv", "answers.csv", "plan.json"

_PATCH = 96
"""Pixels of the side of a colour."""

_COLUMNS, _ROWS, _SIDE, _CAPTION = 6, 5, 160, 14
_LARGEST_PLAN = 16 * 2**20


@dataclass(frozen=True, eq=False)
class AnnotationTask:
    """What was given to raters.

    Attributes
    ----------
    groups : AttributeGrid
        The attributes, A of them.
    answers : numpy.ndarray, shape (S, A), int8
        The different answers of the classifier, a level for each attribute; -1 is an abstention.
    counts : numpy.ndarray, shape (S,), int64
        Images of each answer in the source, judged or not.
    images : tuple of str
        The m images as raters see them: "images/0001.png".
    stratum : numpy.ndarray, shape (m,), int64
        The answer on each image.
    draws : str
        Identity of the draws in the source, as `equipoise sample` writes it; "" where not known.
    """

    grid: AttributeGrid
    answers: NDArray[np.int8]
    counts: NDArray[np.int64]
    images: tuple[str, ...]
    stratum: NDArray[np.int64]
    draws: str = ""


@dataclass(frozen=True, eq=False, kw_only=True)
class AnnotationPlan:
    """How the images of a task were chosen, and from how many; the layout of `plan.json`.

    Attributes
    ----------
    format : int
        Version of the layout.
    attributes : tuple of Attribute
        The A attributes.
    answers : numpy.ndarray, shape (S, A), int64
        The different answers of the classifier, a level for each attribute; -1 is an abstention.
    counts : numpy.ndarray, shape (S,), int64
        Images of each answer in the source, judged or not.
    draws : str
        Identity of the draws, where it is known; else empty.
    """

    format: Literal[1] = 1
    attributes: tuple[Attribute, ...]
    answers: NDArray[np.int64]
    counts: NDArray[np.int64]
    draws: str = ""


def write_task(
    answered: LabelledFolder, chosen: Chosen, out: Path, *, progress: Progress = no_progress
) -> Path:
    """Write the folder.

    Images are decoded and encoded again, so that neither their names nor their metadata show their
    source. An image whose source says that it is synthetic says so too, and so does its sheet.

    Raises
    ------
    InputError
        When the folder is not empty.
    FileFormatError
        When an image is no picture.
    StorageError
        When the disk fails.
    """
    with storage(out):
        if out.exists() and any(out.iterdir()):
            raise InputError(
                f"folder {out}", "must be empty", "files", "Choose another folder with --out."
            )
        (out / "images").mkdir(parents=True, exist_ok=True)
        (out / "sheets").mkdir(exist_ok=True)
    try:
        _write(answered, chosen, out, progress)
    except BaseException:
        # A part of a task is of no use, and would be in the way of the next try.
        for path in out.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        raise
    return out


def _write(answered: LabelledFolder, chosen: Chosen, out: Path, progress: Progress) -> None:
    grid = answered.grid
    names = [f"images/{number:04d}.png" for number in range(1, len(chosen.rows) + 1)]
    with storage(out):
        sheets = _Sheets(out / "sheets")
        for done, (row, name) in enumerate(zip(chosen.rows, names, strict=True), 1):
            source = answered.folder / answered.files[row]
            image = Image.fromarray(read_image(source).transpose(1, 2, 0))
            synthetic = count_marked([source]) == 1
            image.save(out / name, format="PNG", pnginfo=_mark(synthetic))
            sheets.add(image, Path(name).stem, synthetic)
            progress("export", done, len(names))
        sheets.close()
    empty = dict.fromkeys(grid.names, "")
    write_rows(out / TABLE, ["image", *grid.names], ({"image": n, **empty} for n in names))
    write_rows(
        out / ANSWERS,
        ["image", "source", "stratum", *grid.names],
        _answer_rows(answered, chosen, names),
    )
    for attribute in grid.attributes:
        if (scale := scale_of(attribute)) is not None:
            _colours(scale).save(out / f"scale_{attribute.name}.png", format="PNG")
    with atomic_path(out / "how_to_label.txt") as part:
        part.write_text(_instructions(grid), encoding="utf-8")
    plan = AnnotationPlan(
        attributes=grid.attributes,
        answers=chosen.answers.astype(np.int64),
        counts=chosen.counts,
        draws=answered.draws,
    )
    write_record(out / PLAN, plan)


def _mark(synthetic: bool) -> PngInfo:
    """Return the mark of a synthetic picture; without the draw, which raters are not to see."""
    return xmp(packet() if synthetic else "")


def check_drawn_by(task: AnnotationTask, sampler: str, attributes: Sequence[str]) -> None:
    """Check that people labelled one-shot draws of a sampler, named by its digest.

    Raises
    ------
    InputError
        Otherwise.
    """
    draws = parse_draws(task.draws)
    is_own = draws.get("sampler") == sampler
    one_shot = draws.get("cell") is None and not draws.get("verified")
    if not (is_own and one_shot and set(task.grid.names) == set(attributes)):
        raise InputError(
            "run",
            "must be the run by whose sampler the labelled images were drawn one-shot, answered by "
            f"its own classifiers, with labels of {', '.join(attributes)}",
            task.draws or "images of unknown source",
            "Leave --run out, and take --json; or export draws of the run's sampler.",
        )


def _answer_rows(
    answered: LabelledFolder, chosen: Chosen, names: list[str]
) -> Iterator[dict[str, str]]:
    for row, stratum, name in zip(chosen.rows, chosen.stratum, names, strict=True):
        levels = {
            a.name: a.levels[level] if level != UNKNOWN else UNKNOWN_NAME
            for a, level in zip(answered.grid.attributes, answered.levels[row], strict=True)
        }
        # The leading dot keeps a spreadsheet from taking a name such as =A1.png for a formula.
        yield {
            "image": name,
            "source": f"./{printable(answered.files[row])}",
            "stratum": str(stratum),
            **levels,
        }


def _colours(scale: Scale) -> Image.Image:
    """Return the colours of a scale in a row, each above its level."""
    sheet = Image.new("RGB", (_PATCH * len(scale.colours), _PATCH + 24), (255, 255, 255))
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(12)
    for k, (level, colour) in enumerate(scale.colours.items()):
        pen.rectangle((k * _PATCH, 0, (k + 1) * _PATCH - 4, _PATCH), colour)
        pen.text((k * _PATCH, _PATCH + 4), level, (20, 20, 20), font)
    return sheet


def _instructions(grid: AttributeGrid) -> str:
    levels = "\n".join(f"  {a.name}: {', '.join(a.levels)}" for a in grid.attributes)
    known = [(a.name, scale_of(a)) for a in grid.attributes]
    colours = "".join(
        f"Take the level of {name} whose colour in scale_{name}.png is nearest ({scale.words}).\n"
        for name, scale in known
        if scale is not None
    )
    return (
        f"Fill in one of these words for each image in {TABLE}:\n{levels}\n{colours}"
        "Leave a place empty when you cannot see it. Judge alone, and do not compare with\n"
        "others. Numbers on the sheets are those of the images.\n"
    )


class _Sheets:
    """Contact sheets, each image with its number below."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._waiting: list[tuple[Image.Image, str]] = []
        self._synthetic = False
        self._written = 0

    def add(self, image: Image.Image, caption: str, synthetic: bool) -> None:
        self._waiting.append((ImageOps.contain(image, (_SIDE, _SIDE)), caption))
        self._synthetic |= synthetic
        if len(self._waiting) == _COLUMNS * _ROWS:
            self.close()

    def close(self) -> None:
        """Write the sheet that is under way."""
        if not self._waiting:
            return
        rows = -(-len(self._waiting) // _COLUMNS)
        step = _SIDE + _CAPTION
        sheet = Image.new("RGB", (_COLUMNS * (_SIDE + 4), rows * (step + 4)), "white")
        draw = ImageDraw.Draw(sheet)
        for i, (image, caption) in enumerate(self._waiting):
            x, y = (i % _COLUMNS) * (_SIDE + 4) + 2, (i // _COLUMNS) * (step + 4) + 2
            sheet.paste(image, (x, y))
            draw.text((x, y + _SIDE), caption, fill="black")
        self._written += 1
        path = self._folder / f"sheet-{self._written:03d}.png"
        sheet.save(path, format="PNG", pnginfo=_mark(self._synthetic))
        self._waiting, self._synthetic = [], False


def read_task(folder: Path) -> AnnotationTask:
    """Read back what was given to raters.

    Raises
    ------
    FileFormatError
        When plan.json or answers.csv is missing, damaged, or of another format.
    """
    path, remedy = folder / PLAN, "Give the folder that `equipoise label export` wrote, whole."
    plan = read_record(path, AnnotationPlan, remedy, what="plan", limit=_LARGEST_PLAN)
    rows = list(read_rows(folder / ANSWERS, ["image", "stratum"]))
    images = tuple(row["image"] for _, row in rows)
    try:
        grid = AttributeGrid(plan.attributes)
        _check_plan(plan, grid)
        stratum = np.array([int(row["stratum"]) for _, row in rows], np.int64)
        if len(set(images)) < len(images) or ((stratum < 0) | (stratum >= len(plan.counts))).any():
            raise ValueError(f"rows of {ANSWERS} that do not go with it")
    except (ValueError, OverflowError) as error:
        raise FileFormatError(f"plan {path}", "must be a whole plan", str(error), remedy) from error
    return AnnotationTask(
        grid, plan.answers.astype(np.int8), plan.counts, images, stratum, plan.draws
    )


def _check_plan(plan: AnnotationPlan, grid: AttributeGrid) -> None:
    if plan.counts.ndim != 1 or plan.answers.shape != (len(plan.counts), len(grid.names)):
        raise ValueError("answers and counts of other shapes")
    if (plan.counts < 0).any():
        raise ValueError("counts under 0")
    if ((plan.answers < UNKNOWN) | (plan.answers >= grid.shape)).any():
        raise ValueError("answers that are no level")


@dataclass(frozen=True, eq=False)
class Chosen:
    """Images to judge, and how many there are of each answer.

    Attributes
    ----------
    rows : numpy.ndarray, shape (m,), int64
        Rows of the images, in random order.
    stratum : numpy.ndarray, shape (m,), int64
        The classifier's answer on each.
    answers : numpy.ndarray, shape (S, A), int8
        The different answers on all attributes at once; -1 is an abstention.
    counts : numpy.ndarray, shape (S,), int64
        Images of each answer, judged or not.
    """

    rows: NDArray[np.int64]
    stratum: NDArray[np.int64]
    answers: NDArray[np.int8]
    counts: NDArray[np.int64]


def choose(
    answered: LabelledFolder,
    *,
    per_answer: int | None = None,
    at_random: int | None = None,
    seed: int = 0,
) -> Chosen:
    """Choose images to judge.

    Answers are those on all attributes at once, abstentions included, so that cells and single
    attributes can both be corrected. Equal numbers from each answer give most information on rare
    cells; a plain random sample may hold none of them.

    Parameters
    ----------
    answered : LabelledFolder
    per_answer : int
        Images of each answer; all of an answer that has fewer.
    at_random : int
        Instead: images over all, whatever their answer; all when there are fewer.
    seed : int
        The same seed chooses the same images in the same order.

    Raises
    ------
    InputError
        When neither or both sizes are given, or one is below 1.
    """
    if (per_answer is None) == (at_random is None):
        raise InputError(
            "per_answer and at_random",
            "must be one of the two",
            (per_answer, at_random),
            "Pass --per-answer 60.",
        )
    answers, stratum = np.unique(answered.levels, axis=0, return_inverse=True)
    stratum = stratum.reshape(-1)
    rng = generator_for(seed, Stream.ANNOTATION_SAMPLE)
    order = rng.permutation(len(stratum))
    if per_answer is None:
        rows = order[: check_count("at_random", at_random or 0, "Pass --at-random 400.")]
    else:
        check_count("per_answer", per_answer, "Pass --per-answer 60.")
        places = [order[stratum[order] == s][:per_answer] for s in range(len(answers))]
        rows = rng.permutation(np.concatenate(places))
    counts = np.bincount(stratum, minlength=len(answers))
    return Chosen(rows, stratum[rows], answers, counts)


def read_with_panel(
    folder: Path,
    files: Sequence[Path],
    panel: ClassifierPanel,
    *,
    execution: Execution = Execution(),
) -> LabelledFolder:
    """Let a panel answer on image files below a folder, at least one.

    Raises
    ------
    FileFormatError
        When a file is no picture.
    """
    labels = label_files(files, panel, execution=execution)
    names = tuple(path.relative_to(folder).as_posix() for path in files)
    draws = _draws(folder)
    own = parse_draws(draws).get("panel") == panel.digest
    weights = np.ones(len(names))
    return LabelledFolder(panel.grid, folder, names, labels.levels, weights, draws if own else "")
