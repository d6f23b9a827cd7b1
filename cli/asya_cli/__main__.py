"""Entry point of `asya`, `kubectl asya` and `python -m asya_cli`: one place for errors and exit codes.

Source of the codes: contract, cli: 0 done, 1 differences or problems, 2 wrong usage or input, 3 not reachable, 130 interrupted.
"""

import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from asya_cli import notes
from asya_cli.errors import Failure, Interrupted, ReaderGone

USAGE_EXIT_CODE = 2
_PLACE = re.compile(r".+?:[0-9]+:[0-9]+: ")


def main() -> None:
    """Run the command line and end the process with its exit code."""
    sys.exit(run(sys.argv[1:], program_name(sys.argv[0])))


def program_name(path: str) -> str:
    """How the user called us: `kubectl asya` for the plugin, else `asya`."""
    return "kubectl asya" if Path(path).name == "kubectl-asya" else "asya"


def run(arguments: Sequence[str], program: str = "asya") -> int:
    """Run one command; print a user's mistake as one sentence, never as a traceback. Returns the exit code."""
    try:
        from asya_cli.app import app

        app(list(arguments), prog_name=program)
        return 0
    except SystemExit as ended:
        # Typer's way to end: help was shown, a usage mistake was printed, or a verb raised typer.Exit.
        return _code(ended)
    except Failure as failure:
        _explain(program, str(failure))
        return failure.exit_code
    except KeyboardInterrupt:
        # Before the verb had begun; from then on it is a Failure.
        return Interrupted.exit_code
    except (ReaderGone, BrokenPipeError):
        # `asya get | head`: nobody is left to tell.
        _discard_output()
        return 0
    except OSError as error:
        if error.filename is None:
            raise
        notes.say(f"{program}: {error.filename}: {error.strerror}")
        return USAGE_EXIT_CODE


def _explain(program: str, text: str) -> None:
    """Say what failed. A text that begins with a place in a file keeps it at the front, where editors look for it."""
    if text:
        notes.say(text if _PLACE.match(text) else f"{program}: {text}")


def _code(ended: SystemExit) -> int:
    return ended.code if isinstance(ended.code, int) else int(ended.code is not None)


def _discard_output() -> None:
    """Point stdout at nothing: the interpreter flushes it once more at its end and would complain."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    main()
