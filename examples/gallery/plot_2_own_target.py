"""
Your own target
===============

A target need not be uniform. It can give the shares of single attributes, a table of all cells, or
shares within each level of another attribute.
"""

# %%
# Three ways to say what is wanted
# --------------------------------
# Shares of single attributes, as ``--target 'marginals: smiling=yes:3,no:1'`` on the command line.
# An attribute that is not named is uniform.
import json
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from equipoise import Settings, Target, balance, open_generator, open_panel

generator = open_generator("toy")
grid = open_panel(["smiling", "skin_tone"], generator).grid


def show(target):
    """Print the wanted share of each cell."""
    for cell, share in zip(grid.cells, target.shares, strict=True):
        print(f"{cell:32} {share:6.1%}")


show(Target.marginals(grid, {"smiling": {"yes": 3, "no": 1}}))

# %%
# A table of all cells, as ``--target census.json``. Any positive total will do.
census = dict(zip(grid.cells, (30, 20, 10, 20, 15, 5), strict=True))
wanted = Target.table(grid, census)
show(wanted)

# %%
# Shares within each level of another attribute, as ``--target 'conditional: smiling | skin_tone'``:
# skin tones stay as the generator makes them, and half of each smile. Such a target needs the
# generator's own shares; ``balance`` measures them.
show(Target.conditional(grid, "smiling", "skin_tone", [0.58, 0.15, 0.07, 0.12, 0.05, 0.03]))

# %%
# Balance to the table
# --------------------
folder = Path(tempfile.mkdtemp())
(folder / "census.json").write_text(json.dumps(census))
run = balance(
    Settings(
        generator="toy",
        attributes=("smiling", "skin_tone"),
        target=str(folder / "census.json"),
        n=2000,
        measure_n=2000,
    ),
    folder / "run",
)
mix = run.representation

_, axes = plt.subplots(figsize=(8, 3), layout="constrained")
rows = np.arange(grid.size)
reach = [
    [share.share - share.joint[0] for share in run.shares()],
    [share.joint[1] - share.share for share in run.shares()],
]
axes.barh(rows - 0.2, wanted.shares, 0.38, color="lightgrey", label="target")
axes.barh(rows + 0.2, [s.share for s in run.shares()], 0.38, xerr=reach, label="came out")
axes.set_yticks(rows, grid.cells)
axes.invert_yaxis()
axes.xaxis.set_major_formatter("{x:.0%}")
axes.legend(frameon=False)

# %%
# Meeting a target means that every interval lies within the tolerance of 2 points around its wanted
# share. Until there are images enough to decide that, the verdict says how many would.
print(mix.verdict.words)
print(f"KL to the target {mix.kl:.4f}, floor {mix.kl_floor:.4f}")
