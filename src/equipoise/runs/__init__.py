"""The run folder and its typed record."""
