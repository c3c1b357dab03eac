"""The tracking protocol of MLflow's clients, thin over the services that the native API uses."""
