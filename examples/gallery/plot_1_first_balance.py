"""
A first balance
===============

The toy generator makes few light faces and few smiles. We ask for equal shares of all six
combinations of skin tone and smile, and measure what comes out.
"""

# %%
# The generator as it is
# ----------------------
# A *code* is a random vector; the generator turns each code into an image. These are the images of
# the first 48 codes.
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt

from equipoise import Settings, balance, load_sampler, open_generator
from equipoise.report.contact_sheets import contact_sheet

generator = open_generator("toy")
codes = generator.prior.codes(seed=0, start=0, stop=48)


def show(images):
    """Show images in rows of 16."""
    _, axes = plt.subplots(figsize=(8, 1.6), layout="constrained")
    axes.imshow(contact_sheet(images, columns=16))
    axes.set_axis_off()


show(generator.images(codes))

# %%
# Balance it
# ----------
# ``balance`` labels 2,000 codes, fits a sampler to them, and measures the sampler on 2,000 fresh
# draws. The generator itself is not changed. The defaults are larger: 10,000 labels, and 6,000
# draws.
folder = Path(tempfile.mkdtemp()) / "run"
settings = Settings(
    generator="toy",
    attributes=("smiling", "skin_tone"),
    target="uniform",
    n=2000,
    measure_n=2000,
)
run = balance(settings, folder)

# %%
# What came out
# -------------
# Each share has an interval that holds together with those of all other cells at 95%. The dashed
# line is the target, one sixth.
before = run.record.prior.cells
after = run.shares()

_, axes = plt.subplots(figsize=(8, 3.4), layout="constrained")
for offset, shares, name in ((-0.2, before, "as it is"), (0.2, after, "balanced")):
    rows = [k + offset for k in range(len(shares))]
    values = [share.share for share in shares]
    reach = [
        [share.share - share.joint[0] for share in shares],
        [share.joint[1] - share.share for share in shares],
    ]
    axes.barh(rows, values, 0.38, xerr=reach, label=name)
axes.axvline(1 / 6, color="black", linestyle="dashed", label="target")
axes.set_yticks(range(len(after)), [share.name for share in after])
axes.invert_yaxis()
axes.xaxis.set_major_formatter("{x:.0%}")
axes.legend(frameon=False)

# %%
# The same as numbers. KL is the Kullback-Leibler divergence to the target in nats; its floor is
# what exact sampling shows on average with so few images.
mix = run.representation
print(f"KL to the target {mix.kl:.4f}, floor {mix.kl_floor:.4f}")
print(f"verdict: {mix.verdict.words}")

# %%
# Use the sampler
# ---------------
# The run folder holds a report, a card and the sampler. Loading a sampler runs no code. Draw ``i``
# depends on the seed and ``i`` alone.
sampler = load_sampler(folder / "sampler.safetensors", generator)
show(generator.images(sampler.draw(48, seed=1).codes))

# %%
# How true are draws to the generator's own images of a cell? The sampler states it for each way of
# drawing verified images, before any of them is drawn: faithfulness, calls for each image, and how
# many independent images the weighted ones of ``exact`` are worth.
print(sampler.describe())

# %%
# One cell alone:
show(generator.images(sampler.draw(16, seed=1, cell="smiling=yes, skin_tone=light").codes))
