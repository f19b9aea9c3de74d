"""The mix within prompts at values of an option."""

from pathlib import Path

import numpy as np
import pytest

from equipoise.classifiers import open_panel
from equipoise.classifiers.models import Models
from equipoise.core.context_targets import parse_context_targets
from equipoise.core.errors import InputError
from equipoise.generators import open_generator
from equipoise.generators.toy_text import ToyTextGenerator
from equipoise.measure.contexts import deviation_ratio
from equipoise.methods.context_sweep import parse_sweep, sweep_row


def test_a_row_has_the_mean_and_the_worst_prompt(tmp_path: Path) -> None:
    toy = ToyTextGenerator(["a photo of a nurse", "a photo of a doctor", "a photo of a pilot"])
    models = Models(toy, open_panel(("skin_tone", "smiling"), toy))
    targets = parse_context_targets("uniform", models.panel.grid)
    true = deviation_ratio(toy.cell_shares[:, 0], np.full(6, 1 / 6))
    held = []
    for seed in range(6):
        row = sweep_row("3", models, 400, seed, tmp_path / str(seed), targets)
        assert (row.value, row.unknown) == ("3", 0)
        assert row.worst == toy.contexts[true.argmax()]
        assert row.pooled.value < row.mean.value
        held.append(row.worst_deviation.low <= true.max() <= row.worst_deviation.high)
        held.append(row.mean.low <= true.mean() <= row.mean.high)
    assert sum(held) >= 10, "of 12, each with a chance of 95 %"
    assert row == sweep_row("3", models, 400, seed, tmp_path / str(seed), targets)


@pytest.mark.parametrize("text", ["guidance", "guidance=", "guidance=1,,2", "guidance=1,1", "=1"])
def test_a_sweep_of_another_form_is_named(text: str) -> None:
    with pytest.raises(InputError, match=f"sweep must be option=value,value, .* got {text}"):
        parse_sweep(text)


def test_what_cannot_be_swept_is_named(tmp_path: Path) -> None:
    many = "steps=" + ",".join(map(str, range(101)))
    with pytest.raises(InputError, match="sweep must have at most 100 values, got 101"):
        parse_sweep(many)
    toy = open_generator("toy")
    models = Models(toy, open_panel(("smiling",), toy))
    with pytest.raises(InputError, match="generator must have contexts"):
        sweep_row("1", models, 5, 0, tmp_path, parse_context_targets("uniform", models.panel.grid))
