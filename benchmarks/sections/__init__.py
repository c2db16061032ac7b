"""The parts of the benchmark, each a function from `Settings` to a section of the report."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.inputs import Inputs


@dataclass(frozen=True)
class Settings:
    """How much to measure.

    Attributes
    ----------
    inputs
        What there is to read.
    rounds
        How often each command is measured.
    copies
        Copies of the sample in the middle and in the largest size: 10 and 100 make about 10**6 and
        10**7 events.
    partitions
        Numbers of partitions of the same events.
    """

    inputs: Inputs
    rounds: int
    copies: tuple[int, int]
    partitions: tuple[int, ...]
