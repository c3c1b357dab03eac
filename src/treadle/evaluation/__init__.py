"""Metric expressions applied to frames: profiles, scored rows, values with intervals, slices, verdicts."""
