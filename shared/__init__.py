"""Plumbing that all services use: events, inbox, outbox, clock, HTTP. Holds no business word."""
