"""Reading an uploaded file in a process of its own, with limits on memory and time: what is still unknown ends that process, and not
the dashboard for everybody.

It is started as `python -m data.exchange.guarded` and hears of its work, and answers, by pickle through its pipes. The child has read
what may have been hostile, so of its answer only this project's own records are taken.
"""

import io
import pickle
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import is_dataclass
from pathlib import Path
from typing import Any

from core.errors import DrywallError, RequestError
from data.exchange.label_import import LabelImport, read_upload
from data.workspace import Workspace

ROOT = Path(__file__).parents[2]
MOST_BYTES, SECONDS, SECONDS_A_MB = 1_500_000_000, 60.0, 2.0
_WORDS = (
    "it was stopped: reading it took more than {}; export it in parts, or bring it in on the server with drywall-qa import-labels"
)


class _Answer(pickle.Unpickler):
    """Builds nothing but this project's own records and errors."""

    def find_class(self, module: str, name: str) -> Any:
        if module.split(".")[0] in ("core", "data", "pathlib"):
            found = super().find_class(module, name)
            if isinstance(found, type) and (is_dataclass(found) or issubclass(found, DrywallError | Path)):
                return found
        raise pickle.UnpicklingError(f"{module}.{name} is not an answer")


def read_upload_guarded(
    workspace: Workspace,
    name: str,
    content: bytes,
    form: str | None = None,
    class_of: Mapping[str, str] | None = None,
    *,
    empty: bool = False,
) -> LabelImport:
    """`read_upload` in a child. Raises as it does, and RequestError where the child was stopped."""
    asked = pickle.dumps((workspace.root, name, content, form, dict(class_of or {}), empty))
    seconds = SECONDS + SECONDS_A_MB * len(content) / 1e6
    command = [sys.executable, "-m", "data.exchange.guarded"]
    try:
        done = subprocess.run(command, cwd=ROOT, input=asked, capture_output=True, timeout=seconds, check=False)
    except subprocess.TimeoutExpired as error:
        raise RequestError(f"{name}: {_WORDS.format(f'{seconds:.0f} seconds')}") from error
    try:
        answer: Any = _Answer(io.BytesIO(done.stdout)).load()
    except (pickle.UnpicklingError, EOFError, AttributeError, ImportError, IndexError) as error:
        raise RequestError(f"{name}: {_WORDS.format(f'{MOST_BYTES / 1e9:.1f} GB of memory')}") from error
    if isinstance(answer, DrywallError):
        raise answer
    return answer


def _limit_memory() -> None:
    if sys.platform == "linux":
        import resource

        pages = int(Path("/proc/self/statm").read_text().split()[5])
        resource.setrlimit(resource.RLIMIT_DATA, (pages * resource.getpagesize() + MOST_BYTES,) * 2)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def main() -> None:
    root, name, content, form, class_of, empty = pickle.loads(sys.stdin.buffer.read())  # nosec B301: from the parent
    _limit_memory()
    workspace = Workspace.open(root)
    try:
        answer: Any = read_upload(workspace.store, name, content, form, class_of, empty=empty)
    except DrywallError as error:
        answer = error
    except MemoryError:
        answer = RequestError(f"{name}: {_WORDS.format(f'{MOST_BYTES / 1e9:.1f} GB of memory')}")
    sys.stdout.buffer.write(pickle.dumps(answer))


if __name__ == "__main__":
    main()
