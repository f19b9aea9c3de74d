"""Audits of other models with balanced images: what was checked, and what came of it."""
