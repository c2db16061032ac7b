"""What users write wrongly in the configuration of ``skim run``."""

from __future__ import annotations

from typing import Any

import pytest

TOP = "schema: fastpuppi\nsamples: {ele: ntuples/*.root}\n"
KEEP = f"{TOP}keep: {{TkEleL2: all}}\n"

KEYS = {
    "unknown key": ("«shema»: fastpuppi\n", "unknown key 'shema'; did you mean 'schema'?"),
    "schema missing": ("«keep: {TkEleL2: all}»\n", "key 'schema' is missing"),
    "keep missing": ("«schema: fastpuppi»\n", "key 'keep' is missing"),
    "unknown schema": ("schema: «fastpupi»\nkeep: {A: all}\n", "did you mean 'fastpuppi'?"),
    "missing schema file": ("schema: «my.yaml»\nkeep: {A: all}\n", "nor an existing .yaml file"),
    "another version": (f"version: «2»\n{KEEP}", "version: expected 1, got 2"),
    "configuration of histo": ("«selections»: {A: pt > 5}\n", "unknown key 'selections'"),
}

SAMPLES = {
    "unknown key": ("samples: {a: {«file»: x}}\n", "unknown key 'file'; did you mean 'files'?"),
    "no files": ("samples: {a: «[]»}\n", "samples.a: must not be empty"),
    "number": ("samples: {a: «5»}\n", "expected a path, a list of paths, or a mapping with"),
    "name with a slash": ("samples: {«a/b»: x}\n", "'a/b' is not a name; use letters, digits"),
    "folder that is missing": (
        "samples: {a: «ntuple/*.root»}\n", "no file matches 'ntuple/*.root': there is no 'ntuple'",
    ),
    "pattern without a match": (
        "samples: {a: «ntuples/*.rot»}\n", "there is no '*.rot' in 'ntuples'; ",
    ),
    "second of two patterns": (
        "samples: {a: [ntuples/*_0.root, «ntuples/*_7.root»]}\n", "there is no '*_7.root' in",
    ),
    "folder": ("samples: {a: «ntuples»}\n", "is a folder; name the files in it, as in"),
}  # fmt: skip

FIELDS = {
    "nothing": ("keep: «{}»\n", "keep: must not be empty"),
    "no mapping": ("keep: «all»\n", "keep: expected 'key: value' entries, got 'all'"),
    "no fields": ("keep: {TkEleL2: «[]»}\n", "keep.TkEleL2: must not be empty"),
    "number": ("keep: {TkEleL2: «5»}\n", "expected 'all', a field, or a list of fields"),
    "number in a list": ("keep: {TkEleL2: [pt, «5»]}\n", "expected a text"),
    "unknown collection": (
        "keep: {«TkElL2»: all}\n", "the ntuple has no collection 'TkElL2'; did you mean 'TkEleL2'",
    ),
    "collection of another schema": ("keep: {«Muon»: all}\n", "no collection 'Muon'; valid names:"),
    "unknown field": (
        "keep: {TkEleL2: [pt, «tkiso»]}\n", "TkEleL2 has no field 'tkiso'; did you mean 'tkIso'?",
    ),
    "name of a branch": ("keep: {TkEleL2: «TkEleL2_pt»}\n", "did you mean 'pt'?"),
    "pattern without a match": (
        "keep: {TkEleL2: [pt, '«*Isol»']}\n", "TkEleL2 has no field '*Isol'; did you mean",
    ),
    "unknown field of the event": ("keep: {event: «Run»}\n", "did you mean 'run'?"),
}  # fmt: skip

DEFINITIONS = {
    "unknown collection": ("define: {«TkElL2»: {a: pt}}\n", "did you mean 'TkEleL2'"),
    "no mapping": ("define: {TkEleL2: «abs(eta)»}\n", "expected 'key: value' entries"),
    "name of a field": ("define: {TkEleL2: {«pt»: eta}}\n", "has a field 'pt' already"),
    "name of a collection": ("define: {event: {«TkEmL2»: run}}\n", "two columns 'TkEmL2'"),
    "name of a column": ("define: {event: {«genMet_pt»: run}}\n", "two columns 'genMet_pt'"),
    "no identifier": ("define: {TkEleL2: {«a-b»: eta}}\n", "'a-b' is not a name"),
    "unknown field": ("define: {TkEleL2: {a: abs(«etaa»)}}\n", "did you mean 'eta'"),
    "cycle": (
        "define:\n  TkEleL2:\n    a: b + 1\n    b: c + 1\n    c: «a» + 1\n",
        "'a' is defined by itself: a -> b -> c -> a",
    ),
    "itself": ("define: {TkEleL2: {a: «a» + 1}}\n", "'a' is defined by itself: a -> a"),
    "collections mixed": (
        "define: {TkEleL2: {a: «pt + TkEmL2.pt»}}\n", "mixes objects of TkEleL2 and TkEmL2",
    ),
    "objects for the event": (
        "define: {event: {ht: «L1PFJets.pt»}}\n", "one value per object of L1PFJets, where one per",
    ),
}  # fmt: skip

CUTS = {
    "unknown collection": ("objects: {«TkElL2»: pt > 5}\n", "did you mean 'TkEleL2'"),
    "objects of the event": ("objects: {«event»: run > 5}\n", "cut on it under 'events'"),
    "objects of a singleton": ("objects: {«L1PuppiMet»: pt > 5}\n", "cut on it under 'events'"),
    "objects without a collection": ("objects: «pt > 5»\n", "expected 'key: value' entries"),
    "events by a field": ("events: «pt» > 5\n", "'pt' is not a field of the event"),
    "events by objects": ("events: «TkEleL2.pt > 5»\n", "reduce it with one of any, all, count"),
    "events by a number": ("events: «count(TkEleL2)»\n", "'... > 0'"),
    "events by a list": ("events: «[pt]»\n", "expected an expression, such as 'pt > 5'"),
    "mixed in a reduction": (
        "events: any(«TkEleL2.pt > 5 and TkEmL2.pt > 5»)\n", "mixes objects of TkEleL2 and TkEmL2",
    ),
    "weight of no field": ("weight: «genWeight»\n", "'genWeight' is not a field of the event"),
    "weight by a condition": ("weight: «run > 5»\n", "a weight is a number"),
}  # fmt: skip

STORAGE = {
    "unknown key": ("{«partition_event»: 5}", "did you mean 'partition_events' or"),
    "zero": ("{partition_events: «0»}", "partition_events: expected at least 1, got 0"),
    "fraction": ("{partition_events: «1.5»}", "expected an integer, got 1.5"),
    "word": ("{row_group_events: «many»}", "expected an integer, got 'many'"),
    "underscore": ("{row_group_events: «50_000»}", "expected an integer, got '50_000'"),
    "unknown codec": ("{compression: «zstdd»}", "expected 'gzip', 'lz4', 'none', 'snappy' or"),
    "level too high": ("{level: «50»}", "expected at most 22, got 50"),
    "level of another codec": ("«{compression: gzip, level: 20}»", "gzip has the levels 1 to 9"),
    "size without a unit": ("{partition_bytes: '«256»'}", "expected a number of bytes, or one"),
    "unknown unit": ("{row_group_bytes: «256 MO»}", "such as '256 MB' (units: B, kB, MB"),
    "no size": ("{partition_bytes: «0»}", "expected at least 1, got 0"),
    "narrow to a word": ("{narrow: {TkEleL2.pt: «half»}}", "neither a number of bits"),
    "narrow to no bits": ("{narrow: {TkEleL2.pt: «0 bits»}}", "neither a number of bits"),
    "narrow to bool": ("{narrow: {TkEleL2.pt: «bool»}}", "nor a type (uint8, int8"),
    "range upside down": ("{narrow: {TkEleL2.hwQual: «[3, 0]»}}", "the smallest and the largest"),
    "range of reals": ("{narrow: {TkEleL2.hwQual: «[0, 1.5]»}}", "the smallest and the largest"),
    "range too wide": ("{narrow: {TkEleL2.hwQual: «[-1, 9223372036854775808]»}}", "no type of int"),
    "narrow no column": ("{narrow: {«TkEleL2.hwqual»: uint8}}", "did you mean 'TkEleL2.hwQual'?"),
    "narrow what is not kept": ("{narrow: {«TkEmL2.pt»: 9 bits}}", "has no column 'TkEmL2.pt'"),
    "narrow without a dot": ("{narrow: {«pt»: 9 bits}}", "both may be patterns, as in '*.pt'"),
    "mantissa of integers": ("{narrow: {«TkEleL2.hwQual»: 9 bits}}", "only real numbers have"),
    "more bits than there are": ("{narrow: {«TkEleL2.pt»: 23 bits}}", "whose mantissa has 23 bits"),
    "not narrower": ("{narrow: {«TkEleL2.hwQual»: uint32}}", "it is int32, which is not wider"),
    "reals by a pattern": ("{narrow: {«TkEleL2.p*»: uint8}}", "name it without a pattern"),
    "patterns that disagree": (
        "{narrow: {'TkEleL2.*': 9 bits, '«*.pt»': 8 bits}}",
        "say it for 'TkEleL2.pt'",
    ),
}

MISTAKES = {
    **KEYS,
    **{f"samples: {n}": (f"schema: fastpuppi\nkeep: {{GenEl: pt}}\n{t}", m)
       for n, (t, m) in SAMPLES.items()},
    **{f"keep: {n}": (f"{TOP}{t}", m) for n, (t, m) in FIELDS.items()},
    **{f"define: {n}": (f"{KEEP}{t}", m) for n, (t, m) in DEFINITIONS.items()},
    **{f"cuts: {n}": (f"{KEEP}{t}", m) for n, (t, m) in CUTS.items()},
    **{f"storage: {n}": (f"{KEEP}storage: {t}\n", m) for n, (t, m) in STORAGE.items()},
}  # fmt: skip


@pytest.mark.parametrize("case", MISTAKES.values(), ids=MISTAKES.keys())
def test_mistake(workshop: Any, case: tuple[str, str]) -> None:
    text, message = case
    assert message in workshop.mistake_in(text, "skim run config.yaml -o out")
