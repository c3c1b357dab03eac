"""What runs inside a model's environment: steps and the serving worker. Needs the standard library alone."""
