"""Tasks and answers as the JSON of Label Studio, so that raters may work there.

A task is one image, named by `data.equipoise` as in to_label.csv; nothing of what the classifier
said goes along. An answer is an annotation: one choice for each attribute, or a skipped task.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any
from xml.sax.saxutils import quoteattr

from equipoise.core.attributes import UNKNOWN_NAME, AttributeGrid
from equipoise.core.errors import FileFormatError
from equipoise.core.tables import shown
from equipoise.measure.people.judgement import MOST_RATERS
from equipoise.measure.people.task import AnnotationTask

LOCAL_FILES = "/data/local-files/?d="
"""Where Label Studio serves files of its own disk."""

LARGEST_ANSWERS = 64 * 2**20

_REMEDY = "Export as JSON (not JSON-MIN) from the project that the tasks were imported to."


def label_config(grid: AttributeGrid) -> str:
    """Return the labelling interface: an image, and a choice for each attribute.

    Examples
    --------
    >>> from equipoise.core.attributes import Attribute
    >>> print(label_config(AttributeGrid((Attribute("smiling", ("no", "yes")),))))
    <View>
      <Image name="image" value="$image"/>
      <Header value="smiling"/>
      <Choices name="smiling" toName="image" choice="single-radio">
        <Choice value="no"/>
        <Choice value="yes"/>
        <Choice value="unknown"/>
      </Choices>
    </View>
    """
    lines = ["<View>", '  <Image name="image" value="$image"/>']
    for attribute in grid.attributes:
        name = quoteattr(attribute.name)
        lines.append(f"  <Header value={name}/>")
        lines.append(f'  <Choices name={name} toName="image" choice="single-radio">')
        levels = (*attribute.levels, UNKNOWN_NAME)
        lines += [f"    <Choice value={quoteattr(level)}/>" for level in levels]
        lines.append("  </Choices>")
    return "\n".join([*lines, "</View>"])


def studio_tasks(
    task: AnnotationTask, answers: Mapping[str, Sequence[str]], prefix: str = LOCAL_FILES
) -> list[dict[str, Any]]:
    """Return the tasks for Label Studio, with the answers that are there.

    Parameters
    ----------
    task : AnnotationTask
    answers : mapping of str to sequence of str
        By rater, m * A levels by name, image by image: "" for none, "unknown" for skipped.
    prefix : str
        Stands before the name of an image, so that Label Studio finds it.
    """
    names = task.grid.names
    found = []
    for i, image in enumerate(task.images):
        given = {
            rater: dict(zip(names, places[i * len(names) :], strict=False))
            for rater, places in answers.items()
        }
        annotations = [
            {"created_username": rater, "was_cancelled": False, "result": _result(levels)}
            for rater, levels in given.items()
            if any(levels.values())
        ]
        data = {"image": prefix + image, "equipoise": image}
        found.append({"data": data, "annotations": annotations})
    return found


def _result(levels: Mapping[str, str]) -> list[dict[str, Any]]:
    return [
        {
            "from_name": name,
            "to_name": "image",
            "type": "choices",
            "value": {"choices": [level]},
        }
        for name, level in levels.items()
        if level
    ]


def studio_answers(tasks: Any, task: AnnotationTask, where: str) -> dict[str, list[str]]:
    """Return the answers of each rater in what Label Studio exported.

    Parameters
    ----------
    tasks : object
        What its JSON holds, of any origin.
    task : AnnotationTask
        What was exported.
    where : str
        What holds the JSON, for errors.

    Returns
    -------
    dict of str to list of str
        As `studio_tasks` takes them. A rater is named by the first part of the e-mail address, or
        by number. A skipped image is "unknown" throughout.

    Raises
    ------
    FileFormatError
        When it has another layout, or names another image, an image twice for one rater, or a
        choice that is no level.
    """
    places = {image: i for i, image in enumerate(task.images)}
    names: dict[str, str] = {}
    found: dict[str, list[str]] = {}
    seen: set[tuple[str, str]] = set()
    width = len(task.grid.names)
    for number, one in enumerate(_sequence(tasks, where, "a list of tasks"), 1):
        place = f"task {number} of {where}"
        image = _mapping(_mapping(one, place).get("data"), f"data of {place}").get("equipoise")
        if not isinstance(image, str) or image not in places:
            raise FileFormatError(
                f"data.equipoise of {place}",
                "must be an image of this labelling task",
                shown(str(image)),
                "Import tasks that `equipoise label export-studio` wrote, and keep their data.",
            )
        annotations = _sequence(_mapping(one, place).get("annotations"), place, "annotations")
        for annotation in annotations:
            given = _mapping(annotation, f"annotation of {place}")
            rater = _rater(given, names)
            if (rater, image) in seen:
                raise FileFormatError(
                    f"annotations of {place}",
                    "must be one a rater",
                    f"two of {rater}",
                    "Delete one of the two.",
                )
            seen.add((rater, image))
            start = places[image] * width
            own = found.setdefault(rater, [""] * (len(places) * width))
            own[start : start + width] = _levels(given, task.grid, place)
    return found


def _levels(annotation: Mapping[str, Any], grid: AttributeGrid, place: str) -> list[str]:
    if annotation.get("was_cancelled") is True:
        return [UNKNOWN_NAME] * len(grid.names)
    found = dict.fromkeys(grid.names, "")
    for part in _sequence(annotation.get("result"), place, "a result"):
        name = _mapping(part, f"result of {place}").get("from_name")
        if not isinstance(name, str) or name not in found:
            continue  # The project may ask for more.
        choices = _mapping(part.get("value"), f"value of {place}").get("choices")
        known = (*grid.attributes[grid.attribute(name)].levels, UNKNOWN_NAME)
        if not isinstance(choices, list) or len(choices) != 1 or choices[0] not in known:
            raise FileFormatError(
                f"{name} in {place}",
                f"must be one of {', '.join(known)}",
                shown(str(choices)),
                "Correct the choice.",
            )
        found[name] = choices[0]
    return list(found.values())


def _rater(annotation: Mapping[str, Any], names: dict[str, str]) -> str:
    """Return a name for a file, another one for each rater; `names` has those given so far."""
    by = annotation.get("completed_by")
    by = (by.get("email") or by.get("id")) if isinstance(by, dict) else by
    key = str(by if by is not None else annotation.get("created_username", ""))[:200]
    if key not in names:
        plain = re.sub(r"[^\w-]+", "-", key.partition("@")[0].strip())[:28].strip("-")
        plain = f"rater-{plain}".strip("-") if not plain or plain.isdecimal() else plain
        # A disk may take "Anna" and "anna" for one name.
        taken, number, name = {one.casefold() for one in names.values()}, 2, plain
        while name.casefold() in taken:
            name, number = f"{plain}-{number}", number + 1
        if len(names) == MOST_RATERS:
            raise FileFormatError("raters", f"must be at most {MOST_RATERS}", "more", _REMEDY)
        names[key] = name
    return names[key]


def _mapping(value: Any, where: str) -> Mapping[str, Any]:
    if isinstance(value, dict):
        return value
    raise FileFormatError(where, "must be an object", shown(str(value)), _REMEDY)


def _sequence(value: Any, where: str, what: str) -> Sequence[Any]:
    if isinstance(value, list):
        return value
    raise FileFormatError(where, f"must hold {what}", shown(str(value)), _REMEDY)
