"""Unconditional diffusion models, as the library `diffusers` saves them.

`options.py` says how one is run, `folder.py` reads it as data, `generator.py` makes images.
"""
