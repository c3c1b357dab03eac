"""Frozen records, events and errors: what Treadle is about, in the standard library alone."""
