"""StyleGAN3 (Karras et al. 2021, arXiv 2106.12423), configurations T and R.

Mapping, spaces, files and adapter are those of `equipoise.generators.stylegan2`. `config.py` tells
sizes and the bands of the layers, `layers.py` and `synthesis.py` make images.
"""
