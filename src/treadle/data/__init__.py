"""From a source to checked, immutable, parted rows."""
