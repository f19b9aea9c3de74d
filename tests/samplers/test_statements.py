"""What a statement says of a target that one-shot draws do not reach."""

from equipoise.core.estimates import Estimate
from equipoise.samplers.statements import CellStatement, ModeStatement


def of_calls(**calls: Estimate) -> ModeStatement:
    one = Estimate(1.0, 1.0, 1.0)
    cells = tuple(
        CellStatement(
            cell=cell,
            members=9.0,
            faithfulness=one,
            purity=one,
            calls=needed,
            effective=one,
            calls_per_effective=needed,
            lost=0.0,
        )
        for cell, needed in calls.items()
    )
    return ModeStatement(faithful="0.9", cells=cells, calls=one, calls_per_effective=one, saved=0.0)


def test_cells_that_verified_draws_may_give_up_are_named() -> None:
    near = Estimate(3.0, 2.0, 4.0)
    assert of_calls(happy=near, sad=near).reach == "Verified draws reach it."
    few = Estimate.missing("18 effective labelled members, 20 needed")
    words = of_calls(happy=near, disgust=few, fear=Estimate(170.0, 120.0, 240.0)).reach
    assert "fewer than one in 200 images is given up" in words
    assert "disgust (18 effective labelled members, 20 needed)" in words
    assert "fear (up to 240 calls an image)" in words
    assert "happy" not in words
