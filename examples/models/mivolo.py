r"""MiVOLO v2 (arXiv 2307.04616): age and gender, for `--model mivolo:model`.

    pip install transformers timm
    PYTHONPATH=examples/models equipoise audit age SAMPLER --model mivolo:model \
        --reference pinned:age

Its classes are files beside the weights on the Hugging Face hub, and they are run: that is why
`hf:` refuses it, and why you should read them first, and set REVISION to the commit that you read.
Facts are those of the model's page: pictures in OpenCV's order of colours, a body that may be
missing, years, and gender by `gender_id2label`. Without a body it reads the face alone.
"""

from __future__ import annotations

import importlib
from functools import cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from equipoise.classifiers.age_gender import AGE_BANDS
from equipoise.classifiers.base import Prediction, by_probability, by_threshold
from equipoise.core.attributes import Attribute

NAME, REVISION = "iitolstykh/mivolo_v2", "main"


@cache
def parts() -> tuple[Any, Any, Any]:
    """Return the network, ready to predict, what prepares its pictures, and its configuration."""
    hub: Any = importlib.import_module("transformers")
    given = {"revision": REVISION, "trust_remote_code": True}
    config = hub.AutoConfig.from_pretrained(NAME, **given)
    network = hub.AutoModelForImageClassification.from_pretrained(NAME, **given)
    return network.eval(), hub.AutoImageProcessor.from_pretrained(NAME, **given), config


class MiVOLO:
    """Reads whole pictures as faces; no detector is asked."""

    name = "mivolo_v2"
    digest = f"{NAME}@{REVISION}"
    pinned = ()
    caveats = ("MiVOLO reads the whole picture as one face, and sees no body.",)
    attributes = (
        Attribute("gender", ("female", "male")),
        Attribute("age", tuple(AGE_BANDS), ordered=True),
    )

    def predict(self, images: NDArray[np.uint8]) -> tuple[Prediction, ...]:
        """Return gender and age, whose score is in years; images of shape (n, 3, h, w), RGB."""
        network, prepare, config = parts()
        faces = [np.ascontiguousarray(image[::-1].transpose(1, 2, 0)) for image in images]
        face, body = (
            prepare(images=some)["pixel_values"].to(dtype=network.dtype)
            for some in (faces, [None] * len(faces))
        )
        with torch.no_grad():
            found = network(faces_input=face, body_input=body)
        years = found.age_output.float().numpy().reshape(-1)
        likely = found.gender_probs.float().numpy().reshape(len(images), -1).max(axis=1)
        words = [config.gender_id2label[int(index)] for index in found.gender_class_idx.reshape(-1)]
        male = np.where([word.lower() == "male" for word in words], likely, 1 - likely)
        gender = by_probability(np.stack([1 - male, male], axis=1).astype(np.float32))
        return gender, by_threshold(years.astype(np.float32), list(AGE_BANDS.values())[1:])


model = MiVOLO()
