"""From parted rows to a fitted, measured, compiled model, and the record of how it came about."""
