"""Version 1 of the control plane's routes, under ``/api/v1``."""
