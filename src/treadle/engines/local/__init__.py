"""Steps as processes on this machine, in environments made by uv."""
