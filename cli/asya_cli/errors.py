"""What may go wrong for a user, and the exit code each fault has.

Raised by verbs and by what they call; caught in `__main__.run`, the only place that prints them and picks the code.
Source of the codes: contract, cli. A fault that is ours (a bug) is not of this family and shows its traceback.
"""


class Failure(Exception):
    """Ends the command with one clear sentence on stderr and no traceback.

    The text names the thing, the place, what was expected and the next step. It may have several lines.
    """

    exit_code = 1


class ProblemsFound(Failure):
    """The command did its work and found differences or problems, or a followed task failed: exit 1.

    Without text nothing is printed: the command has already said what it found.
    """

    exit_code = 1


class UsageMistake(Failure):
    """Wrong usage or input, a file that cannot be used included: exit 2."""

    exit_code = 2


class Unreachable(Failure):
    """The cluster, the broker or the mesh could not be reached: exit 3. The text holds the address and the reason."""

    exit_code = 3


class Interrupted(Failure):
    """The user pressed Ctrl-C: exit 130, nothing more to say."""

    exit_code = 130


class ReaderGone(Exception):
    """Nobody reads our stdout any more. Not a failure: the command ends quietly with 0."""
