"""What a target wants must occur, and what it would take is said before the budget is spent."""

from pathlib import Path

import numpy as np
import pytest

from equipoise.core.attributes import Attribute, AttributeGrid
from equipoise.core.errors import InsufficientLabelsError
from equipoise.core.labels import Labels
from equipoise.core.targets import Target
from equipoise.methods.occurrence import check_cells, check_levels
from tests.builders.command_line import run

GRID = AttributeGrid((Attribute("hat", ("no", "yes", "two")), Attribute("tone", ("dark", "light"))))


def labels(levels: np.ndarray) -> Labels:
    rows = len(levels)
    return Labels(
        GRID,
        levels.astype(np.int8),
        (np.ones((rows, 3), np.float32) / 3, np.ones((rows, 2), np.float32) / 2),
        np.full((rows, 2), np.nan, np.float32),
    )


def test_a_level_that_never_occurs_is_named_with_what_it_would_take() -> None:
    rng = np.random.default_rng(0)
    levels = np.stack([rng.integers(-1, 2, 3000), rng.integers(2, size=3000)], 1)
    with pytest.raises(InsufficientLabelsError) as caught:
        check_levels(labels(levels), Target.uniform(GRID))
    text = str(caught.value)
    assert "cell 'hat=two, tone=dark' must occur" in text and "gives hat=two 33.3%" in text
    # 3 / n, the rule of three, and so ten times as many labels for 30 images.
    assert (
        "none of 3,000, so that its share is under 0.100% " in text
        and "take 30,0" in text
        and "--n 10-fold" in text
    )
    check_levels(labels(levels), Target(GRID, np.array([1, 1, 1, 1, 0, 0])))
    check_levels(labels(np.concatenate([levels, [[2, -1]]])), Target.uniform(GRID))


def test_a_cell_that_never_occurs_is_named_unless_it_is_not_wanted() -> None:
    with pytest.raises(InsufficientLabelsError, match="cell 'hat=yes, tone=light' must occur"):
        check_cells([5, 5, 5, 0, 5, 5], 25, Target.uniform(GRID))
    check_cells([5, 5, 5, 0, 5, 5], 25, Target(GRID, np.array([1, 1, 1, 0, 1, 1])))


class Hatless:
    """Never answers "yes"."""

    name, digest, caveats, pinned = "hatless", "e" * 64, (), ()
    attributes = (Attribute("hat", ("no", "yes")),)

    def predict(self, images: np.ndarray) -> list:
        from equipoise.classifiers import by_probability

        light = images.mean(axis=(1, 2, 3)) / 255
        rows = np.stack([1 - light / 4, light / 4], 1).astype(np.float32)
        return [by_probability(rows)]


@pytest.mark.parametrize("method", ["tilt", "shift"])
def test_balance_ends_after_the_labels(tmp_path: Path, method: str) -> None:
    done = run(
        *("balance", "--generator", "toy", "--attributes", "hat", "--n", 400, "--method", method),
        *("--classifier", f"{__name__}:Hatless", "--out", tmp_path),
        code=2,
    )
    assert "cell 'hat=yes' must occur" in done.error and "none of " in done.error
    assert not (tmp_path / "record.json").exists() and "direct" not in done.error


@pytest.mark.parametrize(
    ("given", "fetched"),
    [
        (("--attributes", "hat", "--classifier", f"{__name__}:Hatless"), ""),
        (("--attributes", "hat,age", "--classifier", f"{__name__}:Hatless"), "age"),
        (("--attributes", "smiling,age"), "age, expression"),
        (("--attributes", "gender", "--classifier", "pinned:gender"), "gender"),
        (("--attributes", "smiling", "--generator", "toy"), ""),
    ],
)
def test_a_dry_run_asks_for_the_models_that_are_needed(
    given: tuple[str, ...], fetched: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EQUIPOISE_CACHE", str(tmp_path / "none"))
    (tmp_path / "faces.pt").touch()
    file = f"torchscript:{tmp_path / 'faces.pt'}"
    own = () if "--generator" in given else ("--generator", file)
    done = run("balance", *given, *own, "--dry-run", "--out", tmp_path / "run")
    _, _, found = done.stdout.partition("models not cached yet: ")
    assert found.strip() == fetched
