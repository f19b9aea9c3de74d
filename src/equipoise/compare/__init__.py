"""Methods of balancing side by side, from the same labels, against balanced references."""
