"""The run folder: settings, versions, figures and pictures of one run, all that a report needs.

settings.toml      resolved settings; `--config` reads it back
labels/            labels of the prior's codes (Parquet shards)
draws-<stage>-<digest>/  labels of samplers' draws: directed, calibrating, measuring
directions.safetensors, sampler.safetensors
record.json       every number of the report; docs/record.md names the fields
quality.json       of `equipoise quality`; corrected.json of `equipoise label import --run`
pictures/          contact sheets (PNG)
report.html, card.json, card.md
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from equipoise.core.errors import FileFormatError
from equipoise.core.files import read_object, storage, to_json, write_json, write_text
from equipoise.core.settings import Settings, make_settings
from equipoise.runs.record import FORMAT, RunRecord


@dataclass(frozen=True)
class RunFolder:
    """Where the parts of a run lie."""

    path: Path

    @property
    def labels(self) -> Path:
        """Folder of the prior's labels."""
        return self.path / "labels"

    def draws(self, digest: str, stage: str) -> Path:
        """Folder of the labels of a sampler's draws that a stage made."""
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
        """File of the quality per cell, when it was measured."""
        return self.path / "quality.json"

    @property
    def corrected(self) -> Path:
        """File of the corrected shares, when people labelled images."""
        return self.path / "corrected.json"

    def picture(self, name: str) -> Path:
        """File of a contact sheet."""
        return self.path / "pictures" / f"{name}.png"

    def write_settings(self, settings: Settings) -> None:
        """Save the resolved settings."""
        lines = [
            # Strings, numbers, booleans and lists of strings are written alike in JSON and TOML.
            f"{name} = {json.dumps(value, ensure_ascii=False)}"
            for name, value in settings.to_dict().items()
            if value is not None
        ]
        write_text(self.path / "settings.toml", "\n".join(lines) + "\n")

    def read_settings(self) -> Settings:
        """Read the settings back.

        Raises
        ------
        InputError
            When the folder holds none.
        """
        return make_settings({}, self.path / "settings.toml")

    def clear_results(self) -> None:
        """Remove what an earlier run with other settings may have left, but for its labels.

        What was measured later stays as well: it belongs to a sampler, whose digest it names.
        """
        with storage(self.path):
            samplers = self.path.glob("sampler*.safetensors")
            told = (self.path / name for name in ("record.json", "card.json", "card.md"))
            for path in (*told, self.report, self.directions, *samplers):
                path.unlink(missing_ok=True)
            shutil.rmtree(self.path / "pictures", ignore_errors=True)

    def write_later(self, path: Path, found: object, sampler: str) -> None:
        """Save what was measured after the run as `quality` or `corrected`.

        Parameters
        ----------
        path : Path
        found : record
        sampler : str
            Digest of the sampler that it was measured of.
        """
        write_json(path, {"sampler": sampler, **to_json(found)})

    def clear_later(self, sampler: str) -> None:
        """Remove what was measured of other samplers than that of this digest."""
        for path in (self.quality, self.corrected):
            with storage(self.path):
                if path.is_file() and _measured_of(path) != sampler:
                    path.unlink()

    def write_record(self, record: RunRecord) -> None:
        """Save the figures."""
        write_json(self.path / "record.json", record)

    def read_record(self) -> dict[str, Any]:
        """Read the figures back.

        Raises
        ------
        FileFormatError
            When the folder holds none, or a damaged file.
        """
        path = self.path / "record.json"
        remedy = f"Run `equipoise balance --out {self.path}` to the end."
        record = read_object(path, remedy)
        if record.get("format") != FORMAT:
            raise FileFormatError(
                f"figures {path}", f"must have format {FORMAT}", "another", remedy
            )
        return record

    def read_later(self) -> dict[str, dict[str, Any] | None]:
        """Read what was measured after the run, by name; None for what was not.

        `clear_later` has removed what was measured of another sampler.

        Raises
        ------
        FileFormatError
            When a file is damaged.
        """
        parts = {"quality": self.quality, "corrected": self.corrected}
        return {
            name: read_object(path, "Measure it again.") if path.is_file() else None
            for name, path in parts.items()
        }


def _measured_of(path: Path) -> str | None:
    """Return the digest of the sampler that a file of later figures names."""
    try:
        return str(read_object(path, "")["sampler"])
    except (FileFormatError, KeyError):
        return None
