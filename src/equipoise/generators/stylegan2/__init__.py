"""StyleGAN2 (Karras et al. 2020, arXiv 1912.04958), its ADA variants (arXiv 2006.06676) included.

`config.py` tells the sizes, `layers.py`, `mapping.py` and `synthesis.py` hold the network,
`options.py` how it is fed, `priors.py` its codes, `adapter.py` the generator, and `file.py` its
file. Parameters are named as stylegan2-ada-pytorch names them, so that its states load by name.
"""
