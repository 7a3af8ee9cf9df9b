"""What goes wrong with the machine and not with the program: one sentence that says what to do."""


class StackError(Exception):
    pass
