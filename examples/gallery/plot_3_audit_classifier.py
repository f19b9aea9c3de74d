"""
An audit of a classifier
========================

We audit a classifier of smiles that has a planted fault: it misses three in ten smiles of dark
faces. Nothing else is wrong with it. The audit should find the fault and the cell that it is in.
"""

# %%
# Balanced images
# ---------------
# An audit needs as many images of each cell, with attributes that were verified. Verified draws
# keep only images that came out as requested. A real audit draws ``--faithful exact`` from a tilt,
# because models err more on unclear images: weighted rates are then those of the generator's own
# images of each cell. The fault here does not depend on how clear an image is, so any sampler will
# do; this one is of the method ``shift``, which is fitted in a second or two. The two commands are
# given as on a command line.
import shlex
import tempfile
import zlib
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from equipoise import Prediction, open_generator, open_panel
from equipoise.audit.classifier import audit_classifier
from equipoise.audit.images import read_audit_images
from equipoise.audit.record import AuditSettings
from equipoise.cli import app
from equipoise.report.contact_sheets import contact_sheet

folder = Path(tempfile.mkdtemp())
for command in (
    f"balance --generator toy --method shift --n 2000 --per-cell 500 --out {folder}/run",
    f"sample {folder}/run/sampler.safetensors --verified --n 1200 --out {folder}/images",
):
    app(shlex.split(command), standalone_mode=False)

images = read_audit_images(folder / "images")
print(f"{len(images):,} images, by cell: {np.bincount(images.cells)}")

# %%
# The audited classifier
# ----------------------
# Any object with these members is a classifier. This one asks the exact classifier of the toy, and
# then answers "no" for three in ten of the dark faces that smile.
attributes = ("smiling", "skin_tone")
panel = open_panel(attributes, open_generator("toy"))


class Faulty:
    """A classifier of smiles with a planted fault."""

    name, digest, pinned, caveats = "faulty", "version 1", (), ()
    attributes = (panel.grid.attributes[0],)

    def predict(self, images):
        """Return the answers on smiling."""
        smiling, tone = panel.predict(images).levels.T
        # A number in [0, 1) for each image, which depends on its pixels alone.
        chance = np.array([zlib.crc32(image.tobytes()) for image in images]) / 2**32
        levels = np.where((smiling == 1) & (tone == 0) & (chance < 0.3), 0, smiling)
        probabilities = np.eye(2, dtype=np.float32)[levels]
        return (Prediction(levels.astype(np.int8), probabilities, probabilities[:, 1]),)


found = audit_classifier(
    Faulty(),
    images,
    folder / "audit",
    AuditSettings(attribute="smiling", by=attributes, reference="label"),
)
print(found.verdict)

# %%
# What it found
# -------------
# Every check has one of six outcomes. An issue needs a test that rejects after correction for all
# tests of the audit, a gap larger than the tolerance, and an interval above 0.
for check in found.checks:
    if check.outcome in ("issue", "tip"):
        print(f"{check.outcome}: {check.check_id}\n    {check.words}")

# %%
# The gap between cells is the planted one. The gaps between levels of one attribute are its traces:
# the faulty cell is one of the dark cells and one of the smiling cells. Error rates by cell, each
# with its exact 95% interval:
rates = {group.name: group.error.estimate for group in found.breakdowns[0].groups}
_, axes = plt.subplots(figsize=(8, 2.8), layout="constrained")
for row, rate in enumerate(rates.values()):
    reach = [[rate.value - rate.low], [rate.high - rate.value]]
    axes.barh(row, rate.value, color="tab:blue", xerr=reach)
axes.set_yticks(range(len(rates)), list(rates))
axes.invert_yaxis()
axes.xaxis.set_major_formatter("{x:.0%}")
axes.set_xlabel("wrong answers on smiling")

# %%
# The first images of the worst cell:
worst = max(rates, key=lambda name: rates[name].value)
rows = np.flatnonzero(images.cells == panel.grid.index(worst))[:16].tolist()
_, axes = plt.subplots(figsize=(8, 0.6), layout="constrained")
axes.imshow(contact_sheet(images.images(rows), columns=16))
axes.set_axis_off()
