"""
Your own generator
==================

Any object with the members of :class:`equipoise.Generator` is a generator, and any with those of
:class:`equipoise.Classifier` is a classifier. Nothing is inherited. Here both are a few lines of
NumPy: images of a disc on a plain ground, most of them small and bluish.
"""

# %%
# The generator
# -------------
# ``images`` turns codes into images. ``stem`` returns features of a cheap first part of the
# network; without one, return the codes. ``digest`` must change when the images change.
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from equipoise import (
    Attribute,
    ClassifierPanel,
    Settings,
    StandardNormal,
    balance,
    by_probability,
    by_threshold,
)
from equipoise.report.contact_sheets import contact_sheet

SIDE = 24
y, x = np.mgrid[:SIDE, :SIDE] - (SIDE - 1) / 2


class Discs:
    """Discs whose radius and colour follow the first two values of a code."""

    name, digest, space, dim = "discs", "version 1", "z", 6
    device, batch_size, pinned = "cpu", 256, ()
    image_shape = (3, SIDE, SIDE)
    prior = StandardNormal(6)

    def stem(self, codes):
        """Return the codes: there is no cheap first part."""
        return codes

    def images(self, codes):
        """Return the images, uint8, shape (n, 3, 24, 24)."""
        radius = np.clip(5 + 2 * codes[:, 0], 1, 11)
        red = np.clip(80 + 60 * codes[:, 1], 0, 255)
        blue = 255 - red
        colour = np.stack([red, 90 + 20 * np.tanh(codes[:, 2]), blue], axis=1)
        inside = np.hypot(x + codes[:, 3, None, None] / 2, y) < radius[:, None, None]
        ground = np.full((len(codes), 3, 1, 1), 235.0)
        pixels = np.where(inside[:, None], colour[:, :, None, None], ground)
        return pixels.round().astype(np.uint8)


# %%
# The classifier
# --------------
# It sees images alone. One classifier may answer on several attributes. ``ordered=True`` says that
# the levels have an order.


class Looks:
    """Reads size and colour off the pixels."""

    name, digest, caveats, pinned = "looks", "version 1", (), ()
    attributes = (
        Attribute("size", ("small", "medium", "large"), ordered=True),
        Attribute("colour", ("blue", "red")),
    )

    def predict(self, images):
        """Return the answers on size, then on colour."""
        disc = images[:, 1] < 200
        area = disc.mean(axis=(1, 2))
        centre = images[:, :, SIDE // 2, SIDE // 2].astype(np.float32)
        red = centre[:, 0] / np.maximum(centre[:, 0] + centre[:, 2], 1)
        return (
            by_threshold(area.astype(np.float32), [0.18, 0.32]),
            by_probability(np.stack([1 - red, red], axis=1)),
        )


# %%
# Balance it
# ----------
generator, panel = Discs(), ClassifierPanel([Looks()], ["size", "colour"])
run = balance(
    Settings(n=2000, measure_n=2000),
    Path(tempfile.mkdtemp()) / "run",
    generator=generator,
    panel=panel,
)
before, after = run.record.prior, run.representation
for old, new in zip(before.cells, after.cells, strict=True):
    print(f"{old.name:24} {old.share:6.1%} -> {new.share:6.1%}, target {new.target:.1%}")
print(f"KL to the target {before.kl:.3f} -> {after.kl:.4f} (floor {after.kl_floor:.4f})")

# %%
# Above as it is, below balanced:
codes = generator.prior.codes(seed=0, start=0, stop=32)
_, axes = plt.subplots(2, figsize=(8, 2.4), layout="constrained")
axes[0].imshow(contact_sheet(generator.images(codes), columns=16))
axes[1].imshow(contact_sheet(generator.images(run.sampler.draw(32, seed=1).codes), columns=16))
for one in axes:
    one.set_axis_off()

# %%
# On the command line, put both classes into a file ``mine.py`` and name them::
#
#     PYTHONPATH=. equipoise doctor --generator mine:Discs --classifier mine:Looks
#     PYTHONPATH=. equipoise balance --generator mine:Discs --classifier mine:Looks \
#         --attributes size,colour --out runs/discs
