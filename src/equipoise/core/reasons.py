"""Why a library failed: the long texts of its errors in one line."""

from __future__ import annotations

import re

from equipoise.core.errors import shortened

_NOISE = (
    r"\[ONNXRuntimeError\] : \d+ : \w+ : ",
    r"Load model from \S+ failed:",
    r"/\S+\.(?:cc|h|cpp):\d+ .*?\) (?=[A-Z])",
    r"This is an internal miniz error.*",
    r"If you are seeing this error, there is a high likelihood.*",
    r"Exception raised from .*",
    r"If you are a Facebook employee.*",
)
"""Parts of texts that say nothing to the reader: codes, places in the library's own sources."""

_CAUSE = re.compile(r"^(?:[\w.]*(?:Error|Exception|Interrupt)): ?(.*)", re.DOTALL | re.MULTILINE)
"""The end of a TorchScript traceback."""


def reason_of(error: BaseException) -> str:
    r"""Return in words what an exception of a library says, on one line of at most 200 characters.

    What says nothing to the reader is left out.

    Examples
    --------
    >>> reason_of(KeyError("size")), reason_of(ValueError("Too large.")), reason_of(IndexError())
    ("nothing under the name 'size'", 'Too large', 'an IndexError without words')
    >>> reason_of(ValueError("[ONNXRuntimeError] : 2 : INVALID : Wrong input:\n index: 1 Got: 8"))
    'Wrong input: index: 1 Got: 8'
    """
    if isinstance(error, KeyError) and len(error.args) == 1 and isinstance(error.args[0], str):
        return f"nothing under the name {error.args[0][:160]!r}"
    text = str(error)
    if "TorchScript interpreter" in text:
        if 'torch.device("cuda' in text:
            return "it moves tensors to cuda by itself, as it was traced there; trace it on the CPU"
        causes = _CAUSE.findall(text)
        text = causes[-1] if causes else text
    for noise in _NOISE:
        text = re.sub(noise, "", text)
    shown = " ".join(text.split()).rstrip(". ") or f"an {type(error).__name__} without words"
    return shortened(shown)
