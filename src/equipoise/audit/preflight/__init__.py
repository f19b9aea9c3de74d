"""Checks of a generator and of classifiers before a run."""
