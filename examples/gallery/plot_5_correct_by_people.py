"""
Correction by people's labels
=============================

Every share is counted by a classifier, and classifiers err. If people judge some of the images,
shares can be corrected, with intervals that include what is not known of the classifier. Here the
people are simulated, so that the corrected shares can be compared with the truth.
"""

# %%
# A classifier that errs
# ----------------------
# It takes one smile in four for no smile, and one light face in five for a medium one. It labels
# 3,000 images of the toy generator. We write them as ``equipoise sample --out images`` does: image
# files, and a ``metadata.csv`` with the classifier's answers and probabilities.
import csv
import shlex
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from PIL import Image

from equipoise import open_generator, open_panel
from equipoise.classifiers.toy import ToyClassifier
from equipoise.cli import app
from equipoise.core.records import read_record
from equipoise.measure.people.judgement import AnnotationResult

attributes = ["smiling", "skin_tone"]
generator = open_generator("toy")
exact = open_panel(attributes, generator)
erring = ToyClassifier(
    generator,
    attributes,
    confusion={
        "smiling": [[0.95, 0.05], [0.25, 0.75]],
        "skin_tone": [[0.98, 0.02, 0], [0.05, 0.9, 0.05], [0, 0.2, 0.8]],
    },
)
images = generator.images(generator.prior.codes(seed=3, start=0, stop=3000))
answers = erring.predict(images)

folder = Path(tempfile.mkdtemp())
(folder / "images").mkdir()
with open(folder / "images" / "metadata.csv", "w", newline="") as file:
    columns = ["file_name"]
    for attribute in erring.attributes:
        columns += [attribute.name, *(f"{attribute.name}.p.{x}" for x in attribute.levels)]
    table = csv.writer(file)
    table.writerow(columns)
    for i, image in enumerate(images):
        name = f"{i:04d}.png"
        Image.fromarray(image.transpose(1, 2, 0)).save(folder / "images" / name)
        row = [name]
        for attribute, answer in zip(erring.attributes, answers, strict=True):
            row += [attribute.levels[answer.levels[i]], *answer.probabilities[i]]
        table.writerow(row)

# %%
# What people are given
# ---------------------
# ``label export`` chooses images of each answer of the classifier, by chance, gives them new names,
# and hides what the classifier answered.
command = f"label export {folder}/images --per-answer 60 --out {folder}/to_label"
app(shlex.split(command), standalone_mode=False)

_, axes = plt.subplots(figsize=(8, 6.6))
axes.imshow(Image.open(folder / "to_label" / "sheets" / "sheet-001.png"))
axes.set_axis_off()

# %%
# Two simulated raters
# --------------------
# Each fills a copy of ``to_label.csv``. Ours see the truth, and slip on one image in fifty.
rng = np.random.default_rng(0)
for rater in ("anna", "ben"):
    with (
        open(folder / "to_label" / "to_label.csv", newline="") as empty,
        open(folder / f"{rater}.csv", "w", newline="") as filled,
    ):
        rows = list(csv.DictReader(empty))
        shown = np.stack([Image.open(folder / "to_label" / row["image"]) for row in rows])
        truth = exact.predict(shown.transpose(0, 3, 1, 2)).levels
        table = csv.DictWriter(filled, ["image", *attributes])
        table.writeheader()
        for row, levels in zip(rows, truth, strict=True):
            for attribute, level in zip(exact.grid.attributes, levels, strict=True):
                slip = rng.random() < 0.02
                row[attribute.name] = attribute.levels[(level + slip) % len(attribute.levels)]
            table.writerow(row)
print((folder / "anna.csv").read_text()[:80])

# %%
# The corrected shares
# --------------------
# ``label import`` prints how far the raters agree, the error matrix of each attribute and of the
# cells, and counted shares beside corrected ones.
tables = f"{folder}/anna.csv {folder}/ben.csv"
command = f"label import {folder}/to_label {tables} --json {folder}/corrected.json"
app(shlex.split(command), standalone_mode=False)

# %%
# The last correction is that of the cells:
record = read_record(folder / "corrected.json", AnnotationResult, "Run `equipoise label import`.")
shares = record.corrections[-1].shares
rows = np.arange(len(shares))
_, axes = plt.subplots(figsize=(8, 3.4), layout="constrained")
for offset, name, found in (
    (-0.15, "counted by the classifier", [share.raw for share in shares]),
    (0.15, "corrected", shares),
):
    points = np.array([share.share for share in found])
    reach = [
        points - [share.low for share in found],
        np.subtract([share.high for share in found], points),
    ]
    axes.errorbar(points, rows + offset, xerr=reach, fmt="o", capsize=3, label=name)
cells = exact.predict(images).cells
axes.plot(np.bincount(cells) / len(cells), rows, "k|", markersize=22, label="truth")
axes.set_yticks(rows, exact.grid.cells)
axes.invert_yaxis()
axes.set_xlabel("share of images")
axes.xaxis.set_major_formatter("{x:.0%}")
axes.legend(frameon=False)

# %%
# The counted shares of some cells are wrong by more than their intervals, which know the noise of
# sampling alone. The corrected intervals are wider and hold the truth. More judged images make them
# shorter; more counted images do so only a little.
