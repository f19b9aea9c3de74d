"""Why a library failed, from the long texts of its errors."""

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


def reason_of(error: Exception) -> str:
    r"""Return the text of an error in one line, less what says nothing, at most 200 characters.

    Examples
    --------
    >>> reason_of(ValueError("[ONNXRuntimeError] : 2 : INVALID : Wrong input:\n index: 1 Got: 8"))
    'Wrong input: index: 1 Got: 8'
    """
    text = str(error)
    if "TorchScript interpreter" in text:
        if 'torch.device("cuda' in text:
            return "it moves tensors to cuda by itself, as it was traced there; trace it on the CPU"
        causes = _CAUSE.findall(text)
        text = causes[-1] if causes else text
    for noise in _NOISE:
        text = re.sub(noise, "", text)
    shown = " ".join(text.split()).rstrip(".") or type(error).__name__
    return shortened(shown)
