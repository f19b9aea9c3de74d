"""TFLite files of one reshape, written by the fields of TensorFlow's schema.fbs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import flatbuffers
import numpy as np

TYPES = {"float32": 0, "uint8": 3, "int8": 9}
_RESHAPE, _RESHAPE_OPTIONS = 22, 17


def reshape_file(
    shape: Sequence[int], onto: Sequence[int], dtype: str, scale: float = 0.0, zero: int = 0
) -> bytes:
    """Return a network that gives its input another shape; both are quantised alike."""
    builder = flatbuffers.Builder(1024)

    def numbers(values: Sequence[float], kind: Any) -> int:
        return int(builder.CreateNumpyVector(np.asarray(values, kind)))

    def offsets(tables: Sequence[int]) -> int:
        builder.StartVector(4, len(tables), 4)
        for table in reversed(tables):
            builder.PrependUOffsetTRelative(table)
        return int(builder.EndVector())

    def table(size: int, **fields: tuple[str, float]) -> int:
        """Write a table; a field is the slot's number after "f", with its kind and value."""
        builder.StartObject(size)
        for slot, (kind, value) in fields.items():
            getattr(builder, f"Prepend{kind}Slot")(int(slot[1:]), value, 0)
        return int(builder.EndObject())

    def tensor(name: str, sizes: Sequence[int]) -> int:
        fields = {"f0": ("UOffsetTRelative", numbers(sizes, np.int32))}
        text = builder.CreateString(name)
        if scale:
            parts = numbers([scale], np.float32), numbers([zero], np.int64)
            found = table(7, f2=("UOffsetTRelative", parts[0]), f3=("UOffsetTRelative", parts[1]))
            fields["f4"] = ("UOffsetTRelative", found)
        fields |= {"f1": ("Int8", TYPES[dtype]), "f3": ("UOffsetTRelative", text)}
        return table(8, **fields)

    offset = "UOffsetTRelative"
    tensors = offsets([tensor("image", shape), tensor("answer", onto)])
    options = table(1, f0=(offset, numbers(onto, np.int32)))
    first, second = numbers([0], np.int32), numbers([1], np.int32)
    operator = table(
        9,
        f1=(offset, first),
        f2=(offset, second),
        f3=("Uint8", _RESHAPE_OPTIONS),
        f4=(offset, options),
    )
    inputs, outputs = numbers([0], np.int32), numbers([1], np.int32)
    operators = offsets([operator])
    graph = table(
        5, f0=(offset, tensors), f1=(offset, inputs), f2=(offset, outputs), f3=(offset, operators)
    )
    graphs = offsets([graph])
    codes = offsets([table(4, f0=("Int8", _RESHAPE), f2=("Int32", 1), f3=("Int32", _RESHAPE))])
    buffers = offsets([table(1)])
    model = table(
        8, f0=("Uint32", 3), f1=(offset, codes), f2=(offset, graphs), f4=(offset, buffers)
    )
    builder.Finish(model, file_identifier=b"TFL3")
    return bytes(builder.Output())
