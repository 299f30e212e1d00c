"""The process whose kernels are for another target than its parent's: `python -m convgrad.export.process FOLDER`."""

from __future__ import annotations

import pickle
import sys
from pathlib import Path

from convgrad.errors import ConvgradError
from convgrad.export.job import made
from convgrad.export.targets import EXPECTED, JOB, MADE


def main(folder: Path) -> None:
    """Read the job, and leave what was made of it in its place."""
    job = pickle.loads((folder / JOB).read_bytes())
    try:
        result = made(job, folder)
    except ConvgradError as error:
        print(error, file=sys.stderr)
        raise SystemExit(EXPECTED) from None
    (folder / MADE).write_bytes(pickle.dumps(result))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
