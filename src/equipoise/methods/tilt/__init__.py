"""Tilted sampling: how a tilt is fitted to labelled codes."""
