"""StyleGAN2 and StyleGAN3.

StyleGAN2 is that of Karras et al. 2020, arXiv 1912.04958, and its ADA variants, arXiv 2006.06676.
StyleGAN3 is that of Karras et al. 2021, arXiv 2106.12423, in the configurations T and R. Both share
the mapping network and the adapter; they differ in the synthesis of images.

`sizes.py` holds the sizes, `common.py` the mapping network and the noise, `stylegan2.py` and
`stylegan3.py` the synthesis, and `network.py` joins mapping and synthesis. `options.py` holds the
options of an address, `generator.py` the adapter, `file.py` our files, and `checkpoints` the files
of other projects. Parameters have the names of stylegan2-ada-pytorch, so that its states load.
"""
