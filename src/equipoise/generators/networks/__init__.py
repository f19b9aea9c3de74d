"""Generators that are any network: in a TorchScript or ONNX file, or a module of one's own.

`description.py` holds how one is fed, `probing.py` finds out what was not given, `generator.py`
runs it; `files.py` and `modules.py` are where they come from.
"""
