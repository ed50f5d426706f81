"""Reads every hostile case in this process, which may use 500 MB more than it has; a line of JSON each, what came of it.

python tests/hostile/run_cases.py WORKSPACE FOLDER [FIRST]
"""

import json
import resource
import sys
import time
import traceback
from pathlib import Path

import psutil

from core.errors import DrywallError
from data.exchange.label_import import read_import
from data.intake.preparation import prepare
from data.workspace import Workspace
from tests.hostile.generator import cases

MOST_MORE_BYTES = 500_000_000


def data_bytes() -> int:
    """Private memory of this process, as RLIMIT_DATA counts it."""
    pages = int(Path("/proc/self/statm").read_text().split()[5])
    return pages * resource.getpagesize()


def main(root: Path, place: Path, first: int = 0) -> None:
    workspace = Workspace.open(root)
    samples = {sample.file_name: sample.id for sample in workspace.store.samples()}
    made = cases()
    for number, case in enumerate(made[first:], first):
        folder = place / str(number)
        folder.mkdir(parents=True)
        path = case.write(folder)
        limit = data_bytes() + MOST_MORE_BYTES
        resource.setrlimit(resource.RLIMIT_DATA, (limit, resource.RLIM_INFINITY))
        peak_before = psutil.Process().memory_info().rss
        began, kept, trouble = time.perf_counter(), None, ""
        try:
            if case.form == "prepare":
                other = Workspace.open(folder / "workspace")
                report = prepare(path, other)
                kept = any(sample.file_name == "good.png" for sample in other.store.samples())
                json.dumps([vars(problem) for problem in report.problems])
                other.store.close()
            else:
                found = read_import(workspace.store, path, case.form)
                kept = samples["good.png"] in {*found.same, *(change.sample_id for change in found.changes)}
                json.dumps(found.document())
        except DrywallError as error:
            trouble = "" if len(str(error)) < 2000 and str(error) else f"its message has {len(str(error))} letters"
        except BaseException:
            trouble = traceback.format_exc()[-1500:]
        seconds = time.perf_counter() - began
        resource.setrlimit(resource.RLIMIT_DATA, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        grown = psutil.Process().memory_info().rss - peak_before
        line = {"number": number, "name": case.name, "seconds": seconds, "kept": kept, "trouble": trouble, "grown": grown}
        print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]) if len(sys.argv) > 3 else 0)
