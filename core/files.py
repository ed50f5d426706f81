"""One safe way to write a file: whole or not at all."""

import os
import tempfile
from pathlib import Path


def write_atomically(path: Path, content: bytes, *, lasting: bool = True) -> None:
    """Write `content` beside `path`, flush it to disk, then rename it over `path`.

    A reader sees the old file or the new one, never a part. Missing parent folders are made. lasting: waits until the disk has
    it, so that a power cut loses nothing; what can be computed again need not wait.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            if lasting:
                file.flush()
                os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
