"""Model versions: digests, aliases, lineage."""
