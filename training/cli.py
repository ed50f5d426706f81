"""The command line. Results go to stdout (`--json`: one JSON document), progress and logs to stderr.

Exit codes: 0 done, 1 the work failed, 2 the request was wrong.
"""

import logging
import sys

from rich.text import Text

from core.errors import DrywallError
from training.commands import dashboard, labels, models, runs  # noqa: F401  each registers its commands
from training.commands.options import app
from training.terminal import printable, stderr

app.info.help = __doc__


def main() -> None:
    """Run the command line; every expected failure becomes one sentence on stderr and its exit code."""
    logging.getLogger("transformers").setLevel(logging.ERROR)
    try:
        app()
    except DrywallError as error:
        stderr.print(Text("error: ", "bold red") + Text(printable(str(error))), soft_wrap=True)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
