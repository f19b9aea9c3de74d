import time

import numpy as np

from equipoise.classifiers import ClassifierPanel
from equipoise.classifiers.models import Models
from equipoise.generators.toy import ToyGenerator
from equipoise.methods.tilt.cost import measured_stage_cost
from equipoise.methods.tilt.fit import TiltFit


class Slow(ToyGenerator):
    """An image takes 4 ms longer, and a stage 0.02 ms longer."""

    def images(self, codes: np.ndarray) -> np.ndarray:
        time.sleep(0.004 * len(codes))
        return super().images(codes)

    def stem(self, codes: np.ndarray) -> np.ndarray:
        time.sleep(0.00002 * len(codes))
        return super().stem(codes)


def test_a_candidate_costs_its_share_of_an_image(
    toy_panel: ClassifierPanel, toy_tilt: TiltFit
) -> None:
    models = Models(Slow(batch_size=8), toy_panel)
    cost = measured_stage_cost(models, toy_tilt.source.classifier)
    assert 0.003 < cost < 0.05, cost
