"""Drawn images on disk."""

from equipoise.samplers.export.formats import FORMATS, format_of, write_draws

__all__ = ["FORMATS", "format_of", "write_draws"]
