"""Takes a password off our own command line, which every user of the machine can read (`ps`). Called by `asya up`.

A process cannot forget its arguments, but it can begin anew without them: the same process, with the address in its environment, which the
system shows to its owner alone.
"""

import os
import sys

from asya_cli.local.broker import URL_VARIABLE, broker_named
from asya_cli.local.folder import Folder


def begin_anew_without(kind: str, url: str) -> None:
    """Replace this process by one whose arguments lack `=url`; returns when there is no password in it, or it is no argument of ours.

    Raises:
        UsageMistake: the address is wrong; said here, where it is known that it came with the option.
    """
    broker_named(kind, url, os.environ, Folder.here())
    secret = f"{kind}={url}"
    if "@" not in url or not any(argument.endswith(secret) for argument in sys.orig_argv):
        return
    arguments = [text.removesuffix(f"={url}") if text.endswith(secret) else text for text in sys.orig_argv]
    sys.stdout.flush()
    sys.stderr.flush()
    os.execve(sys.executable, arguments, {**os.environ, URL_VARIABLE: url})
