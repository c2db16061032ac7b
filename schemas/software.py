"""Versions of the software that made something, for its record."""

from __future__ import annotations

from collections.abc import Iterable
from importlib import import_module

VERSION = "0.1.0"
"""Of this project; its packaging takes it from here."""

PROJECT = "l1skim"


def versions(packages: Iterable[str]) -> dict[str, str]:
    """Return the version of each package, by its name in the package index.

    The packages are asked themselves. What is installed could be asked with fewer imports, but
    costs 13 ms to import the readers of its metadata and 1 ms to read that of each package.

    Examples
    --------
    >>> versions(["l1skim"])
    {'l1skim': '0.1.0'}
    """
    return {name: VERSION if name == PROJECT else _version(name) for name in packages}


def _version(package: str) -> str:
    return str(import_module(package.replace("-", "_")).__version__)
