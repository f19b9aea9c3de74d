"""The same faces at every level of an attribute."""
