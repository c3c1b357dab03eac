"""Where a run comes from: host, user, command, git, the environment's packages."""

from __future__ import annotations

import functools
import getpass
import importlib.metadata
import json
import os
import platform
import re
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

GIT_PATIENCE = 10.0
MOST_DIFF_BYTES = 20_000_000
DIFF, PACKAGES = "source/diff.patch", "environment/requirements.txt"
_SECRET = re.compile(r"(?i)(secret|token|passw|credential|api[-_]?key|access[-_]?key)")


@dataclass(frozen=True)
class Found:
    """Tags, and the content of artifacts by path."""

    tags: dict[str, str]
    artifacts: dict[str, bytes]


def user_name() -> str:
    """Who runs this process."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())


def in_notebook() -> bool:
    """Whether this is a notebook's kernel."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return shell is not None and hasattr(shell, "kernel")


def host() -> Found:
    """The machine, and what was called."""
    script = Path(sys.argv[0]).name if sys.argv and sys.argv[0] else "python"
    tags = {
        "mlflow.source.name": "notebook" if in_notebook() else script,
        "mlflow.source.type": "NOTEBOOK" if in_notebook() else "LOCAL",
        "mlflow.user": user_name(),
        "treadle.host": socket.gethostname(),
        "treadle.command": " ".join(without_secrets(sys.orig_argv)),
        "treadle.folder": str(Path.cwd()),
        "treadle.python": f"{platform.python_version()} on {platform.platform()}",
    }
    return Found(tags, {})


def without_secrets(arguments: list[str]) -> list[str]:
    """A command line in which the values of options that sound secret are stars."""
    shown, hide = [], False
    for argument in arguments:
        name, equals, _ = argument.partition("=")
        secret = _SECRET.search(name) is not None
        shown.append("***" if hide else f"{name}=***" if secret and equals else argument)
        hide = secret and not equals and argument.startswith("-") and not hide
    return shown


@functools.cache
def packages() -> Found:
    """Every package of the environment at its release, as a file of requirements."""
    lines = set()
    for found in importlib.metadata.distributions():
        name = found.metadata["Name"]
        if name:
            origin = _origin(found)
            lines.add(f"{name} @ {origin}" if origin else f"{name}=={found.version}")
    head = f"# python {platform.python_version()}\n"
    text = head + "".join(f"{line}\n" for line in sorted(lines, key=str.lower))
    return Found({}, {PACKAGES: text.encode()})


def _origin(found: importlib.metadata.Distribution) -> str | None:
    """Where a package came from that no index has."""
    try:
        told = json.loads(found.read_text("direct_url.json") or "null")
        url, version = told["url"], told.get("vcs_info")
    except (ValueError, KeyError, TypeError, OSError):
        return None
    return f"{version['vcs']}+{url}@{version['commit_id']}" if version else str(url)


@functools.cache
def git() -> Found:
    """The commit, the branch and the remote of the program's folder, and what differs from the commit."""
    main = getattr(sys.modules.get("__main__"), "__file__", None)
    folder = Path(main).resolve().parent if main else Path.cwd()
    commit = _git(folder, "rev-parse", "HEAD")
    if not commit:
        return Found({}, {})
    tags = {"mlflow.source.git.commit": commit.decode().strip()}
    branch = (_git(folder, "rev-parse", "--abbrev-ref", "HEAD") or b"").decode().strip()
    if branch and branch != "HEAD":
        tags["mlflow.source.git.branch"] = branch
    remote = (_git(folder, "remote", "get-url", "origin") or b"").decode().strip()
    if remote:
        tags["mlflow.source.git.repoURL"] = _without_password(remote)
    diff = _git(folder, "diff", "--binary", "HEAD")
    if diff is None or len(diff) > MOST_DIFF_BYTES:
        return Found({**tags, "treadle.git.diff": "too long to keep"}, {})
    tags["treadle.git.dirty"] = "true" if diff else "false"
    return Found(tags, {DIFF: diff} if diff else {})


def _without_password(remote: str) -> str:
    parts = urlsplit(remote)
    if not parts.hostname or "@" not in parts.netloc or not parts.scheme.startswith("http"):
        return remote
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def _git(folder: Path, *arguments: str) -> bytes | None:
    environment = {**os.environ, "GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0"}
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=GIT_PATIENCE,
            env=environment,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None


CAPTURES: Mapping[str, Callable[[], Found]] = {"host": host, "git": git, "environment": packages}
"""What can be found out, in the order of what it costs. ``output`` is the fourth thing that is kept."""
