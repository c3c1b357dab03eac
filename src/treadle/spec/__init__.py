"""The form in which a user declares a model, and the pure data that it becomes."""
