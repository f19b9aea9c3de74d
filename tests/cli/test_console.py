"""Tables on a narrow terminal."""

import io

import pytest
from rich.console import Console

from equipoise.cli.console import print_table


@pytest.mark.parametrize("width", [80, 100])
def test_columns_of_single_words_are_not_broken(width: int) -> None:
    text = io.StringIO()
    code = "flip_beyond_reencoding:skin_tone"
    rows = [("not applicable", code, "as many words as there are " * 12), ("tip", "b", "c" * 90)]
    console = Console(file=text, width=width)
    print_table(console, ("outcome", "code", "answer"), rows)
    assert code in text.getvalue()
    assert text.getvalue().replace("\n", "").count("c") >= 90
