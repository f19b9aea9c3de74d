"""The synthesis of StyleGAN2 (Karras et al. 2020, arXiv 1912.04958), and of its ADA variants.

The variants are those of arXiv 2006.06676. `config.py` tells the sizes, `layers.py` and
`synthesis.py` make images; the rest is that of `equipoise.generators.stylegan`.
"""
