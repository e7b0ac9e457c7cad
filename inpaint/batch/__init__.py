"""Many photos: decide what belongs to what, fill it with several processes or machines, and never lose count."""
