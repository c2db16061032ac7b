"""The command ``histo``."""

from __future__ import annotations

from runtime.commands import CommandGroup

main = CommandGroup(
    "histo",
    {
        "run": ("histo.commands:run", "Fill histograms from datasets."),
        "list": ("histo.commands:list_", "Show selections, histograms and what they read."),
        "diff": ("histo.commands:diff", "Compare two histogram files bin by bin."),
        "plot": ("histo.commands:plot", "Draw the histograms of a file."),
        "schema": ("histo.commands:schema", "Print the JSON Schema of configurations."),
    },
    help="""Stage two: Parquet datasets to histograms.

    \b
    Example:
      histo run configs/histo/demo.yaml dataset -o histograms.root
      histo diff histograms.root histograms.json
    """,
)
