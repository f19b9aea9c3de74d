import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from equipoise.core.errors import InputError
from equipoise.core.estimates import Estimate
from equipoise.measure.representation import MixShare
from equipoise.report.plots import confusion_figure, plot_part, share_bars, share_figure, to_svg
from equipoise.stats.shares import Share, exact_estimate

NAN = float("nan")
SHARES = [
    MixShare(
        name="smiling=no", count=80, n=100, effective=100.0, estimate=exact_estimate(80, 100),
        target=0.5,
        joint=(0.6, 0.9),
    ),
    MixShare(
        name="smiling=yes", count=0, n=0, effective=0.0, estimate=Estimate(NAN), target=0.5,
        joint=(NAN, NAN),
    ),
]  # fmt: skip


def test_bars_are_svg_with_every_name_and_the_target() -> None:
    text = share_bars([("prior", SHARES), ("shift", SHARES)])
    ElementTree.fromstring(text)
    for said in ("smiling=no", "smiling=yes", "prior", "shift", "target"):
        assert said in text
    assert text == share_bars([("prior", SHARES), ("shift", SHARES)])


def test_a_plot_is_an_svg_file_and_what_a_notebook_shows(tmp_path: Path) -> None:
    plot = plot_part([SHARES], lambda shares: share_figure([("prior", shares)]), 0)
    plot.save(tmp_path / "plot.svg")
    root = ElementTree.parse(tmp_path / "plot.svg").getroot()
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert plot._repr_svg_().startswith("<svg ")
    with pytest.raises(InputError, match=r"part must be in 0\.\.0, got 1"):
        plot_part([SHARES], lambda shares: share_figure([]), 1)


def test_shares_without_a_target_have_no_mark() -> None:
    text = share_bars([("errors", [Share.of("a", 3, 9), Share.of("b", 0, 0)])])
    ElementTree.fromstring(text)
    assert "target" not in text


def test_a_map_tells_shares_of_rows() -> None:
    text = to_svg(confusion_figure(["a", "b"], [[9, 1, 0], [0, 0, 0]]))
    ElementTree.fromstring(text)
    assert "90%" in text
    assert "10%" in text


def test_the_legend_is_above_all_bars() -> None:
    series = [
        (f"predicted level {i}", [Share.of("a", 9, 9), Share.of("b", 8, 9)]) for i in range(7)
    ]
    root = ElementTree.fromstring(share_bars(series))

    def heights(name: str) -> list[float]:
        """Return the y of every point of what the axes hold under a name, downwards."""
        parts = [g for g in root.iter() if (g.get("id") or "").startswith(name)]
        paths = [p.get("d") or "" for part in parts for p in part.iter() if p.tag.endswith("path")]
        return [float(y) for path in paths for y in re.findall(r"[ML] \S+ (\S+)", path)]

    assert max(heights("legend_1")) < min(heights("LineCollection"))
