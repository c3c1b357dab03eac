"""Content-addressed bytes on local disk, in memory or in a bucket."""
