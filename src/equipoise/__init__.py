"""Any wanted mix of attributes from a pre-trained image generator, and proof of what came out.

The public names are those of `__init__.pyi`. They are loaded when they are first used, so that
importing is quick. No public name may be that of a module of this package: importing the module
would take its place.
"""

import lazy_loader

__version__ = "0.1.0"

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
