"""The one exception that users see."""


class UserError(Exception):
    """A mistake or a condition that the user can cure.

    Its text is one line (or one line per problem) that names the file, the key, the reason and the cure. Scripts print it
    without a traceback and exit with status 1.
    """
