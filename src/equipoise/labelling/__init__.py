"""Codes or image files in, a table of labels out, streamed and resumable."""
