"""Generators that are any network: in a TorchScript or ONNX file, or a module of one's own.

`description.py` says how one is fed, `priors.py` by what, `look.py` finds what was not said,
`generator.py` runs it; `files.py` and `own.py` are where they come from.
"""
