"""Moving from MLflow and back: its server, its database, its folders, read without it."""
