"""Tracking on SQL: experiments, runs, curves in chunks, and searches compiled to SQL."""
