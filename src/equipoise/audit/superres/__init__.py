"""The audit of super-resolution: whom it turns into whom, and how true it stays."""
