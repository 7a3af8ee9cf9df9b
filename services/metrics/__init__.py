"""Metrics: facts and figures. Tells nothing; what it knows is read over HTTP."""
