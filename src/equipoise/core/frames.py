"""Tables of Arrow, and frames of pandas or polars made of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from equipoise.core.attributes import UNKNOWN, UNKNOWN_NAME, AttributeGrid
from equipoise.core.errors import InputError
from equipoise.core.plugins import load_library

LIBRARIES = ("pandas", "polars")
"""Libraries that a frame may be of."""


class Tabular:
    """What has a table, and so a frame."""

    def table(self) -> pa.Table:
        """Return the table, of Arrow."""
        raise NotImplementedError

    def frame(self, library: str = "pandas") -> Any:
        """Return the columns of `table` as a frame.

        Parameters
        ----------
        library : str
            "pandas" or "polars".

        Raises
        ------
        InputError
            When the library is another one, or not installed.
        """
        if library not in LIBRARIES:
            raise InputError(
                "library", f"must be one of {', '.join(LIBRARIES)}", library, "Correct the name."
            )
        found = load_library(
            "a frame", library, f"Run `pip install {library}`, or use table(), which is of Arrow."
        )
        table = self.table()
        return table.to_pandas() if library == "pandas" else found.from_arrow(table)


def cell_column(grid: AttributeGrid, cells: NDArray[np.int64]) -> pa.DictionaryArray:
    """Return a column of names of cells, "unknown" for -1.

    Parameters
    ----------
    grid : AttributeGrid
    cells : numpy.ndarray, shape (n,), int64
    """
    numbers = np.where(cells == UNKNOWN, grid.size, cells).astype(np.int32)
    return pa.DictionaryArray.from_arrays(numbers, pa.array([*grid.cells, UNKNOWN_NAME]))
