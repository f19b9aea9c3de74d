"""The lighting of an audit's images, with a sheet of the most doubtful ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from equipoise.audit.images import AuditImages
from equipoise.measure.lighting import Lighting, lighting_of
from equipoise.report.contact_sheets import write_sheet

_SHEET = "lighting.png"


def examine_lighting(images: AuditImages, names: tuple[str, ...], folder: Path) -> Lighting | None:
    """Return what lighting explains of the skin tone by which images are grouped.

    Parameters
    ----------
    images : AuditImages
    names : tuple of str
        Attributes to group by.
    folder : Path
        Of the audit; a sheet is written to `pictures/` in it.

    Returns
    -------
    Lighting or None
        As `lighting_of`.
    """

    def write(shown: NDArray[np.uint8]) -> str:
        write_sheet(folder / "pictures" / _SHEET, shown, synthetic=not images.side)
        return _SHEET

    return lighting_of(images, names, write)
