"""The synthesis of StyleGAN3 (Karras et al. 2021, arXiv 2106.12423), configurations T and R.

`config.py` tells sizes and the bands of the layers, `layers.py` and `synthesis.py` make images; the
rest is that of `equipoise.generators.stylegan`.
"""
