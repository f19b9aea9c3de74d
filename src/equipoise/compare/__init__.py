"""Comparison of balancing methods with equal numbers of labels, against balanced references."""
