"""The prediction log: a write-ahead log in the gateway, Parquet behind it; outcomes and joined predictions beside."""
