import pytest

from equipoise.core.errors import EquipoiseError, FileFormatError, InputError, check_count


@pytest.mark.parametrize("value", [0, -3, 2.5, True])
def test_count_names_argument_rule_value_and_remedy(value: object) -> None:
    with pytest.raises(InputError) as caught:
        check_count("n", value, "Pass --n 10000.")  # type: ignore[arg-type]
    text = str(caught.value)
    assert text == f"n must be a whole number of at least 1, got {value!r}. Pass --n 10000."
    assert isinstance(caught.value, ValueError)


def test_count_passes_whole_numbers() -> None:
    assert check_count("n", 7, "") == 7
    assert check_count("start", 0, "", least=0) == 0


def test_a_value_that_ends_a_sentence_is_not_followed_by_two_full_stops() -> None:
    assert str(InputError("n", "must be 1", "Too large.", "Pass 1.")).endswith("Too large. Pass 1.")


@pytest.mark.parametrize("kind", [FileFormatError, InputError])
def test_no_part_of_an_error_is_without_bound(kind: type[EquipoiseError]) -> None:
    foreign = "x" * 10**6
    for parts in (("a", "b", foreign, "d"), (foreign, foreign, [foreign], foreign)):
        text = str(kind(*parts))
        assert "x" * 198 + ".." in text and len(text) < 4000
    assert str(kind("a", "b", "\x1b[2J", "d")) == "a b, got ?[2J. d"
