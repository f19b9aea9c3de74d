import numpy as np
import pytest

from equipoise.errors import FileFormatError
from equipoise.stored import stored_array


def test_arrays_are_checked() -> None:
    tensors = {"good": np.ones((2, 3)), "holed": np.array([1.0, np.nan])}
    assert stored_array(tensors, "good", (2, 3), "x") is tensors["good"]
    for name, shape in (("good", (3, 2)), ("holed", (2,)), ("missing", (1,))):
        with pytest.raises(FileFormatError, match=f"must hold the array '{name}'"):
            stored_array(tensors, name, shape, "x")
