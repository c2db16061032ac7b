"""Where the time of both commands goes: what `--profile` says of them."""

from __future__ import annotations

from benchmarks.inputs import EG_SKIM, HISTOGRAMS, RATES, histo
from benchmarks.measure import ROOT, Contender, run_messages
from benchmarks.report import Section, Table
from benchmarks.sections import Settings


def measure(settings: Settings) -> Section:
    """Profile the commands that the promises are about."""
    inputs, work = settings.inputs, settings.inputs.work
    matching = ROOT / "configs" / "histo" / "eg_genmatch_menu.yaml"
    eg, output = inputs.eg_dataset(), work / "profiled.root"
    commands = {
        "skim run, fields of the e/g menu": inputs.skim("profiled", EG_SKIM, inputs.ntuples()),
        "histo run, 200 histograms": histo(HISTOGRAMS, inputs.clusters_dataset(), output),
        "histo run, 56 rates": histo(RATES, eg, output),
        "histo run, gen matching": histo(matching, eg, output),
    }
    found = {name: _profile(contender) for name, contender in commands.items()}
    steps = list(dict.fromkeys(step for took in found.values() for step in took))
    rows = [[step, *(took.get(step, "-") for took in found.values())] for step in steps]
    return Section(
        "Where the time goes",
        [
            f"What `--profile` says of one run of each with {inputs.events:,} events: processor "
            "seconds, summed over all workers."
        ],
        [Table(["step", *found], rows)],
    )


def _profile(contender: Contender) -> dict[str, str]:
    """Return the processor seconds of each step, as printed."""
    messages = run_messages(
        Contender([*contender.command, "--profile"], contender.fresh)
    ).splitlines()
    table = [line.rsplit(maxsplit=3) for line in messages]
    return {words[0].strip(): words[2] for words in table if words[3:] and words[3].endswith("%")}
