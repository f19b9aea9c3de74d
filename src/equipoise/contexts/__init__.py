"""Images of every prompt or class with a wanted mix in each: the flow, its record and page."""
