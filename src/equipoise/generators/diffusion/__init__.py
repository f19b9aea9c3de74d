"""Diffusion models that the library `diffusers` saved, without prompts and with them.

`pipeline.py` reads a saved pipeline as data; `generator.py` holds its options and generates images.
`text_pipeline.py` and `text_generator.py` do the same for text-to-image pipelines.
"""
