"""What StyleGAN2 and StyleGAN3 share: all but the synthesis of images and its sizes.

`sizes.py` tells the sizes of the mapping network, `linear.py` and `mapping.py` hold it, and
`network.py` joins it to the synthesis of either family. `options.py` tells how it is fed,
`noise.py` and `priors.py` what with; `adapter.py` holds the generator, `build.py` and `file.py` its
file. Parameters are named as stylegan2-ada-pytorch names them, so that its states load by name.
"""
