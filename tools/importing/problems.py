"""What can be wrong with a file: one row of it, or what was said about all of it."""


class BadRow(Exception):
    """One row cannot go in: the column of the file that is to blame, and the rule it breaks."""

    def __init__(self, column: str, reason: str) -> None:
        super().__init__(f"{column}: {reason}")
        self.column = column
        self.reason = reason


class Unclear(Exception):
    """Nothing can go in before this option says more, or something else."""

    def __init__(self, option: str, reason: str) -> None:
        super().__init__(reason)
        self.option = option
