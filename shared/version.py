"""The version of all that is released together; pyproject.toml says the same, which a test compares."""

VERSION = "0.1.0"
