"""Unconditional diffusion models that the library `diffusers` saved.

`pipeline.py` reads a saved pipeline as data; `generator.py` holds its options and generates images.
"""
