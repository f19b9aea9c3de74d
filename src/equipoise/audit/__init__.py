"""Audits of other models on balanced images: classifiers and super-resolution."""
