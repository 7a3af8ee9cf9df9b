"""Metrics' rules: what each figure means, and the arithmetic behind it. Pure."""
