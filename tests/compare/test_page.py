"""The page of a comparison says what is not in its tables."""

from equipoise.compare.page import left_out
from equipoise.compare.stored import Refused


def test_methods_that_were_refused_are_named_once() -> None:
    reason = "cell 'expression=disgust' must give 429 verified images within 85,800 calls"
    refused = {"tilt, verified": Refused(refused=reason)}
    lines = left_out([refused, refused])
    assert lines[2:-1] == [f"- tilt, verified: refused: {reason}."]
    assert left_out([{}]) == []
