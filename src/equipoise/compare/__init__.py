"""Methods of balancing side by side, from as many labels, against balanced references."""
