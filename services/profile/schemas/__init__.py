"""What callers of profile's HTTP API send and get."""
