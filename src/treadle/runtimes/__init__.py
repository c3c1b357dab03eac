"""Adapters that score rows: compiled models in this process, others in a process of their own."""
