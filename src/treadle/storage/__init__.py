"""Adapters that keep state: metadata in SQL, bytes in blobs, the prediction log in a WAL and Parquet."""
