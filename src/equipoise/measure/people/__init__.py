"""Labels by people: a blind sample to give to raters, and what their labels say."""
