"""The command line. Results go to stdout (`--json`: one JSON document), progress and logs to stderr.

Exit codes: 0 done, 1 the work failed, 2 the request was wrong.
"""

import errno
import logging
import sys

from rich.text import Text

from core.errors import DrywallError
from training.commands import dashboard, labels, models, runs  # noqa: F401  each registers its commands
from training.commands.options import app
from training.terminal import printable, stderr

app.info.help = __doc__
_DISK = {
    errno.ENOSPC: "the disk is full; free some space and do it again",
    errno.EROFS: "the file system is read-only; choose another folder",
    errno.EACCES: "it may not be read or written by this user; choose another folder or give leave",
}


def main() -> None:
    """Run the command line; every expected failure becomes one sentence on stderr and its exit code."""
    logging.getLogger("transformers").setLevel(logging.ERROR)
    try:
        app()
    except OSError as error:
        if error.errno not in _DISK:
            raise
        words = f"{error.filename or 'the disk'}: {_DISK[error.errno]}"
        stderr.print(Text("error: ", "bold red") + Text(printable(words)), soft_wrap=True)
        sys.exit(1)
    except DrywallError as error:
        stderr.print(Text("error: ", "bold red") + Text(printable(str(error))), soft_wrap=True)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
