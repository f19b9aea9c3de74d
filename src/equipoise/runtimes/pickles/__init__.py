"""The tensors of pickles, read as data: nothing in a file is imported or run."""
