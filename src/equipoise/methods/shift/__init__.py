"""The paper's method: directions, and codes shifted along them (arXiv 2012.04842)."""
