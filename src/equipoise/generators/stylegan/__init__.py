"""PGGAN, and StyleGAN 1, 2 and 3.

PGGAN is that of Karras et al. 2018, arXiv 1710.10196; StyleGAN 1 that of arXiv 1812.04948.
StyleGAN2 is that of Karras et al. 2020, arXiv 1912.04958, and its ADA variants, arXiv 2006.06676.
StyleGAN3 is that of Karras et al. 2021, arXiv 2106.12423, in the configurations T and R. All share
the mapping network and the adapter; they differ in the synthesis of images. A PGGAN has no layers
of mapping: it normalises its code.

`sizes.py` holds the sizes, `common.py` the mapping network and the noise, `progressive.py`,
`stylegan2.py` and `stylegan3.py` the synthesis, and `network.py` joins mapping and synthesis.
`options.py` holds the options of an address, `generator.py` the adapter, `file.py` our files, and
`checkpoints` the files of other projects. Parameters of StyleGAN2 and 3 have the names of
stylegan2-ada-pytorch, so that its states load.
"""
