"""The audit of super-resolution: changes of attributes and groups, and fidelity of images."""
