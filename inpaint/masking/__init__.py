"""Ways to make a mask."""
