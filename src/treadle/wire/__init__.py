"""What goes over the wire: the control plane's types (pydantic) and those of inference (msgspec)."""
