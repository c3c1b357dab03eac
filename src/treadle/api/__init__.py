"""The HTTP control plane: wire -> service -> wire, and one map from errors to statuses."""
