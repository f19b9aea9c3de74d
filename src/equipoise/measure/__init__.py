"""Measurement of what a sampler, or any set of images, shows."""
