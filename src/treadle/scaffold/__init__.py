"""A first project for a newcomer: what a table of data suggests, written down as a model file."""
