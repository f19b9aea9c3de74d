"""Counterfactuals: the same faces at every level of one attribute."""
