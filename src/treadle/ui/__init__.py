"""The web interface: serves the front end that ``frontend/`` builds."""
