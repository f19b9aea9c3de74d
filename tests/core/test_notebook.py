from __future__ import annotations

import numpy as np

from equipoise.core.attributes import Attribute, AttributeGrid
from equipoise.core.checks import Check, checks_as_html
from equipoise.core.labels import Labels
from equipoise.core.targets import Target
from equipoise.measure.representation import represent
from equipoise.samplers.sampler import Sampler


def test_a_mix_shows_shares_with_intervals_and_escapes_names() -> None:
    grid = AttributeGrid((Attribute("<b>", ("no", "yes")),))
    levels = np.array([[0], [1], [1], [1]], np.int8)
    labels = Labels(grid, levels, (np.ones((4, 2), np.float32),), np.zeros((4, 1), np.float32))
    html = represent(labels, Target.uniform(grid))._repr_html_()
    assert "<td>&lt;b&gt;=yes</td><td>50.0%</td><td>75.0%</td>" in html
    assert "<b>" not in html


def test_a_sampler_shows_its_requests(sampler: Sampler) -> None:
    html = sampler._repr_html_()
    assert html.count("<tr>") == 5
    assert "<td>smiling=no, tone=dark</td><td>50.0%</td><td>50.0%</td>" in html


def test_checks_show_outcome_question_and_answer() -> None:
    check = Check(check_id="a", title="Is it?", outcome="passed", words="Yes.", evidence=None)
    assert "<td>passed</td><td>Is it?</td><td>Yes.</td>" in checks_as_html("No issue.", [check])
