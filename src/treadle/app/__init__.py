"""The only wiring: settings, processes, and the commands that need more than the API."""
