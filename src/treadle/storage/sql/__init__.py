"""Metadata in a SQL database; the way in is :class:`treadle.storage.sql.store.SqlStore`."""
