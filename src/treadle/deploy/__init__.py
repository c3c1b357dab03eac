"""Desired serving state: which version answers, how traffic moves to another, and back."""
