"""The tracking protocol on the wire."""
