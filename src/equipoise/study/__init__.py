"""A study: several generators, each balanced to several targets, and one report of all."""
