"""A reader of pickles as data, for tensors and arrays: nothing in a file is imported or run."""
