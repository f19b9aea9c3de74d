"""Generators made of any network: in a TorchScript or ONNX file, or a torch module of your own.

`description.py` holds the options, `probing.py` finds those that are not given, and `generator.py`
runs the network. `files.py` and `modules.py` open networks.
"""
