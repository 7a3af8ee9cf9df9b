"""The `comeback` command: one file for each group of commands."""
