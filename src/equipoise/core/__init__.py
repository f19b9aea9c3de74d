"""Attributes, cells, targets, labels, seeds, settings, errors, files and progress."""
