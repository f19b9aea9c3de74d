"""What StyleGAN2 and StyleGAN3 share: all but the synthesis of images and its sizes.

`sizes.py` tells the sizes of the mapping network, `linear.py` and `mapping.py` hold it, and
`network.py` joins it to the synthesis of either family. `options.py` tells how it is fed,
`noise.py` and `priors.py` what with; `adapter.py` holds the generator, `build.py` and `file.py` its
file. Parameters are named as stylegan2-ada-pytorch names them, so that its states load by name.

The synthesis of StyleGAN2 (Karras et al. 2020, arXiv 1912.04958), and of its ADA variants.

The variants are those of arXiv 2006.06676. `config.py` tells the sizes, `layers.py` and
`synthesis.py` make images; the rest is that of `equipoise.generators.stylegan`.

The synthesis of StyleGAN3 (Karras et al. 2021, arXiv 2106.12423), configurations T and R.

`config.py` tells sizes and the bands of the layers, `layers.py` and `synthesis.py` make images; the
rest is that of `equipoise.generators.stylegan`.
"""
