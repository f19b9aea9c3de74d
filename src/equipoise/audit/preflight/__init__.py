"""Checks of a generator and of classifiers before anything is spent on them."""
