"""The command ``skim``."""

from __future__ import annotations

from runtime.commands import CommandGroup

main = CommandGroup(
    "skim",
    {
        "sample": ("skim.commands:sample", "Write realistic synthetic ntuples to try things on."),
        "inspect": ("skim.commands:inspect", "Show what is in a ROOT file."),
        "run": ("skim.commands:run", "Convert and slim ROOT ntuples into a Parquet dataset."),
        "info": ("skim.commands:info", "Show what is in a dataset."),
        "verify": ("skim.commands:verify", "Check a dataset, also against its ROOT files."),
        "schema": ("skim.commands:schema", "Print the JSON Schema of configurations."),
    },
    help="""Stage one: ROOT ntuples to a partitioned Parquet dataset.

    \b
    Example:
      skim sample ntuples --events 10000
      skim run configs/skim/demo.yaml --files doubleele='ntuples/*.root' -o dataset
      skim info dataset
    """,
)
