"""A stored audit on synthetic images beside the same audit on labelled photographs."""
