"""The one exception a user may meet: it says what is wrong and what to do about it."""


class UserError(Exception):
    """Something in the user's data or configuration is wrong.

    The message names the file, the field, what was expected, what was found, and what to do.
    Commands print it without a traceback and exit non-zero.
    """
