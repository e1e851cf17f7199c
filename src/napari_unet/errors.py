"""The one exception for mistakes that a user can cure."""


class UserError(ValueError):
    """A mistake in the input; its message names the value and the cure.

    The command line prints it as one line and exits with 1, the window shows it in the dock.
    Anything else that is raised is a fault of the program and keeps its traceback.
    """
