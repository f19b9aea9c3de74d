"""A stored run as one HTML file with pictures and plots."""
