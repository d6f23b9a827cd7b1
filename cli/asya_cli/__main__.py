"""Entry point of `asya`, `kubectl asya` and `python -m asya_cli`: one place for errors and exit codes.

Source of the codes: contract, cli: 0 done, 1 differences or problems, 2 wrong usage or input, 3 not reachable, 130 interrupted.
"""

import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from asya_cli import notes
from asya_cli.errors import Failure, ReaderGone

INTERRUPTED_EXIT_CODE = 130
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
    import typer
    from typer._click.exceptions import ClickException

    from asya_cli.app import app

    try:
        result = typer.main.get_command(app).main(list(arguments), prog_name=program, standalone_mode=False)
        _flush()
        return result if isinstance(result, int) else 0
    except ClickException as mistake:
        mistake.show()
        return mistake.exit_code
    except Failure as failure:
        _explain(program, str(failure))
        return failure.exit_code
    except (KeyboardInterrupt, typer.Abort):
        return INTERRUPTED_EXIT_CODE
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


def _flush() -> None:
    """Write what is still buffered now, so that a closed pipe is met here and not at the interpreter's end."""
    if sys.stdout is not None:
        sys.stdout.flush()


def _discard_output() -> None:
    """Point stdout at nothing: the interpreter flushes it once more at its end and would complain."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    main()
