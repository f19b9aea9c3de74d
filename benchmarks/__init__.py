"""Scripts that measure what the documentation states; tests import some of them."""
