"""What became of the answers: outcomes, realised quality, drift, service health, incidents."""
