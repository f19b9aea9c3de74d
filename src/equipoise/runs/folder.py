"""The run folder: settings, numbers and pictures of one run, everything that its report needs.

settings.toml      resolved settings; `--config` reads it back
labels/            labels of the prior's codes: Parquet shards, each with its completion record
draws-<stage>-<digest>/  labels of samplers' draws: directed, calibrating, measuring
directions.safetensors, sampler.safetensors
record.json        every number of the report; docs/record.md names the fields
quality.json       of `equipoise quality`; corrected.json of `equipoise label import --run`
pictures/          contact sheets (PNG)
report.html, card.json, card.md
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from equipoise.core.errors import FileFormatError
from equipoise.core.files import LARGEST_RECORD, read_json, storage
from equipoise.core.folders import Folder, LocalFolder
from equipoise.core.records import read_record, write_record
from equipoise.core.settings import Settings, make_settings
from equipoise.measure.people.judgement import AnnotationResult
from equipoise.measure.quality import Quality
from equipoise.runs.record import Later, RunRecord, SamplerAnnotation, SamplerQuality

PRIOR = "prior"
LIGHTING = "lighting"
"""Name of the sheet of images whose skin tone lighting decides."""

"""Name of the contact sheet of the generator's own images."""


@dataclass(frozen=True)
class RunFolder:
    """Paths of the files of a run, and their readers and writers."""

    path: Path

    @property
    def labels(self) -> Path:
        """Folder of the prior's labels."""
        return self.path / "labels"

    def draws(self, digest: str, stage: str) -> Path:
        """Folder of the labels of a sampler's draws, for one stage."""
        return self.path / f"draws-{stage}-{digest[:12]}"

    @property
    def directions(self) -> Path:
        """File of the directions."""
        return self.path / "directions.safetensors"

    @property
    def sampler(self) -> Path:
        """File of the sampler."""
        return self.path / "sampler.safetensors"

    def sampler_of(self, method: str, chosen: str) -> Path:
        """File of a method's sampler; the chosen method's is the run's."""
        return self.sampler if method == chosen else self.path / f"sampler-{method}.safetensors"

    @property
    def report(self) -> Path:
        """File of the report."""
        return self.path / "report.html"

    @property
    def quality(self) -> Path:
        """File of the quality by cell, if it was measured."""
        return self.path / "quality.json"

    @property
    def corrected(self) -> Path:
        """File of the corrected shares, if people labelled images."""
        return self.path / "corrected.json"

    def picture(self, name: str) -> Path:
        """File of a contact sheet."""
        return self.path / "pictures" / f"{name}.png"

    def sheets(self) -> dict[str, Path]:
        """Files of the contact sheets of draws that there are, by name; not of single cells."""
        found = sorted((self.path / "pictures").glob("*.png"))
        by_name = {
            path.stem: path for path in found if "-cell-" not in path.stem and path.stem != LIGHTING
        }
        return {name: by_name[name] for name in sorted(by_name, key=lambda name: name != PRIOR)}

    def write_settings(self, settings: Settings) -> None:
        """Save the resolved settings."""
        write_settings(settings, LocalFolder(self.path))

    def read_settings(self) -> Settings:
        """Read the settings back.

        Raises
        ------
        InputError
            When the folder holds none.
        """
        return make_settings({}, self.path / "settings.toml")

    def clear_results(self) -> None:
        """Remove the results of an earlier run with other settings, except its labels.

        Later measurements are kept too: they hold the digest of their sampler.
        """
        with storage(self.path):
            samplers = self.path.glob("sampler*.safetensors")
            files = (self.path / name for name in ("record.json", "card.json", "card.md"))
            for path in (*files, self.report, self.directions, *samplers):
                path.unlink(missing_ok=True)
            for path in (self.path / "pictures").glob("*.png"):
                if path != self.picture(PRIOR):  # It is that of the labels, which stay.
                    path.unlink()

    def write_quality(self, found: Quality, sampler: str) -> None:
        """Save the quality of a sampler's images, measured after the run.

        Parameters
        ----------
        found : Quality
        sampler : str
            Digest of the sampler.
        """
        write_record(self.quality, SamplerQuality(sampler=sampler, quality=found))

    def write_corrected(self, found: AnnotationResult, sampler: str) -> None:
        """Save the results of people's labels of a sampler's images, as `write_quality` does."""
        write_record(self.corrected, SamplerAnnotation(sampler=sampler, annotation=found))

    def clear_later(self, sampler: str) -> None:
        """Remove later measurements of any sampler but the one of this digest."""
        for path in (self.quality, self.corrected):
            with storage(self.path):
                if path.is_file() and _measured_of(path) != sampler:
                    path.unlink()

    def write_record(self, record: RunRecord) -> None:
        """Save the numbers of the run."""
        write_record(self.path / "record.json", record)

    def read_record(self) -> RunRecord:
        """Read the numbers of the run back.

        Raises
        ------
        FileFormatError
            When the folder holds none, or a damaged file; the message names the field.
        """
        remedy = f"Run `equipoise balance --out {self.path}` to the end."
        return read_record(self.path / "record.json", RunRecord, remedy, what="record")

    def read_later(self) -> Later:
        """Read the measurements after the run.

        They are of the run's sampler: `clear_later` has removed those of others.

        Raises
        ------
        FileFormatError
            When a file is damaged.
        """
        remedy, quality, annotation = "Measure it again.", None, None
        if self.quality.is_file():
            quality = read_record(self.quality, SamplerQuality, remedy).quality
        if self.corrected.is_file():
            annotation = read_record(self.corrected, SamplerAnnotation, remedy).annotation
        return Later(quality=quality, annotation=annotation)


def write_settings(settings: Settings, folder: Folder) -> None:
    """Save resolved settings in the folder of a run, on a disk or in a store."""
    lines = [
        # Strings, numbers, booleans and lists of strings are written alike in JSON and TOML.
        f"{name} = {json.dumps(value, ensure_ascii=False)}"
        for name, value in settings.to_dict().items()
        if value is not None
    ]
    with folder.writing("settings.toml") as part:
        part.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _measured_of(path: Path) -> str | None:
    """Return the digest of the sampler in a file of a later measurement."""
    try:
        return str(read_json(path, "", limit=LARGEST_RECORD)["sampler"])
    except (FileFormatError, KeyError):
        return None
