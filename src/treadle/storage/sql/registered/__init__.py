"""The registry that clients of MLflow see, and logged models, on SQL."""
