import pytest
import torch

from equipoise.runtimes.tensor_views import bounded, checked_view


def test_values_whose_text_never_ends_are_not_written_out() -> None:
    nested: tuple[object, ...] = ()
    for _ in range(60):
        nested = (nested, nested)
    with pytest.raises(ValueError, match="without sizes and strides"):
        checked_view(torch.zeros(4), (nested, 1), (1,), 0)  # type: ignore[arg-type]


def test_many_copies_of_a_small_storage_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("equipoise.runtimes.tensor_views.MOST_BYTES", 4096)
    copies = (("t", torch.zeros(256)) for _ in range(100))
    taken = []
    with pytest.raises(ValueError, match="4 GiB of tensors or more"):
        taken.extend(name for name, _ in bounded(copies))
    assert len(list(copies)) == 95, "no further copy was made"
