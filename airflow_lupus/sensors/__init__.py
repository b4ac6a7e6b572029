"""The sensor that waits for data."""
