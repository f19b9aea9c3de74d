"""Makes a page of the public names from their docstrings, under site/."""

from pathlib import Path

import pdoc

import equipoise

for name in equipoise.__all__:
    getattr(equipoise, name)  # The names are loaded at their first use, and pdoc does not ask.
pdoc.render.configure(docformat="numpy")
pdoc.pdoc("equipoise", output_directory=Path("site"))
