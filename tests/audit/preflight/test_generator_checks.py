import numpy as np
import pytest

from equipoise.audit.preflight.checks import check_generator as preflight
from equipoise.generators import Generator
from equipoise.generators.toy import ToyGenerator


class Faulty(ToyGenerator):
    def __init__(self, fault: str) -> None:
        super().__init__()
        self.fault, self.rng = fault, np.random.default_rng(0)

    def images(self, codes: np.ndarray) -> np.ndarray:
        images = super().images(codes).astype(np.float64)
        if self.fault == "range":
            images /= 128
        elif self.fault == "constant":
            images[:] = np.arange(32) * 8
        elif self.fault == "repeat":
            images += self.rng.normal(0, 5, images.shape)
        elif self.fault == "batch":
            images += 4 * len(codes)
        elif self.fault == "images":
            images = images[:, :, :-1]
        return images.clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize("fault", ["images", "range", "constant", "repeat", "batch"])
def test_a_fault_is_found(fault: str) -> None:
    found = {check.check_id: check for check in preflight(Faulty(fault))}
    assert found[fault].outcome == "issue"
    assert found[fault].words.endswith(".")


@pytest.mark.parametrize("seed", range(5))
def test_generators_without_fault_pass(real: Generator, toy: ToyGenerator, seed: int) -> None:
    for generator in (real, toy):
        assert {check.outcome for check in preflight(generator, seed=seed)} == {"passed"}
