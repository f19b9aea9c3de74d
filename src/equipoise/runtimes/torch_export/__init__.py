"""Networks that torch.export saved, `.pt2`, read as data.

Torch's own loader unpickles, and evaluates text of the file. Here `archive.py` reads JSON and raw
numbers alone, `operators.py` tells which operators may be called, and `program.py` calls them
(docs/decisions/0014).
"""
