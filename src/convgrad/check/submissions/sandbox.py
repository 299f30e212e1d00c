"""A person's code shut in by bubblewrap: no network, no other process, nothing to write to but a folder of its own.

It sees the system's programs and libraries and Python's packages, to read; neither your files nor convgrad, which can
compute right gradients. Its folder is in memory, of `FOLDER_BYTES`, and goes with it.
"""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from convgrad.check.submissions.texts import printable
from convgrad.errors import SandboxError

PROGRAM = "bwrap"
FOLDER, WORKER = "/submission", "/worker.py"
BESIDE = ("adapted.py", "engines.py", "held.py", "objects.py", "packages.py", "special.py")
FOLDER_BYTES = 64 * 2**20
SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/nix/store", "/etc/alternatives", "/etc/ld.so.cache")
PROBE_SECONDS = 30
OWN = Path(__file__).parents[2]
"""This package's folder."""


def sandboxed(file: Path, worker: str, environment: Mapping[str, str]) -> list[str]:
    """The beginning of a command that runs Python on a worker's script and one file, shut in.

    Raises: SandboxError where that can't be done.
    """
    program = _program()
    place = f"{FOLDER}/{file.name}"
    own = {name: environment[name] for name in environment if name not in ("HOME", "TMPDIR", "TEMP", "TMP")}
    variables = {**own, "HOME": FOLDER, "TMPDIR": FOLDER, "NUMBA_CACHE_DIR": FOLDER}
    return [
        program,
        *("--unshare-all", "--unshare-user", "--die-with-parent", "--new-session", "--cap-drop", "ALL"),
        *_visible(environment),
        *("--proc", "/proc", "--dev", "/dev", "--remount-ro", "/dev"),
        *("--size", str(FOLDER_BYTES), "--tmpfs", FOLDER, "--ro-bind", str(file), place, "--chdir", FOLDER),
        *("--ro-bind", worker, WORKER, *_beside(worker), "--remount-ro", "/", "--clearenv"),
        *(part for name, value in variables.items() for part in ("--setenv", name, value)),
        *(sys.executable, WORKER),
    ]


def _beside(worker: str) -> tuple[str, ...]:
    """The scripts that the worker needs, where they are."""
    own = [place for name in BESIDE if (place := Path(worker).with_name(name)).exists()]
    return tuple(part for place in own for part in ("--ro-bind", str(place), f"/{place.name}"))


def _visible(environment: Mapping[str, str]) -> list[str]:
    """What can be read: the system, Python, its packages and those of PYTHONPATH, but not this package."""
    bound: list[str] = []
    for path in SYSTEM:
        if os.path.islink(path):
            bound += ["--symlink", os.readlink(path), path]
        elif os.path.exists(path):
            bound += ["--ro-bind", path, path]
    extra = environment.get("PYTHONPATH", "").split(os.pathsep)
    folders = {sys.prefix, sys.base_prefix, os.path.dirname(os.path.realpath(sys.executable)), *extra}
    seen = [Path(f) for f in sorted(folders) if os.path.isabs(f) and os.path.isdir(f) and Path(f) != Path("/")]
    for folder in seen:
        bound += ["--ro-bind", str(folder), str(folder)]
    if any(OWN.is_relative_to(folder) for folder in (*seen, Path("/usr"))):
        bound += ["--tmpfs", str(OWN), "--remount-ro", str(OWN)]
    return bound


@functools.cache
def _program() -> str:
    """Where bubblewrap is."""
    program = shutil.which(PROGRAM)
    if program is None:
        raise SandboxError(
            "A sandbox needs bubblewrap (Linux), and there is no program `bwrap` on the PATH: install the package "
            "`bubblewrap`, as in `apt-get install bubblewrap`, or check without it, in a container."
        )
    told = _told([program, "--help"])[1]
    if "--size" not in told or "--clearenv" not in told:
        raise SandboxError(f"A sandbox needs bubblewrap 0.7 or later; {program} is older. Update `bubblewrap`.")
    return program


def require_sandbox() -> None:
    """Raises: SandboxError where code can't be shut in here, with the system's reason."""
    command = sandboxed(Path(__file__), __file__, {})
    code, told = _told([*command[: command.index(sys.executable)], sys.executable, "-S", "-c", "pass"])
    if code != 0:
        raise SandboxError(
            f"bubblewrap is installed but can't isolate code here: {printable(told.strip(), 300) or code}. It needs "
            "user namespaces, which this system or container may forbid; check without it, in a container."
        )


def _told(command: list[str]) -> tuple[int, str]:
    """How a command ends, and what it says."""
    try:
        done = subprocess.run(command, capture_output=True, timeout=PROBE_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return 1, str(error)
    return done.returncode, (done.stdout + done.stderr).decode("utf-8", "replace")
