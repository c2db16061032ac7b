"""What `histo list` shows, with a dataset and without."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.histo.conftest import Command


def cells(output: str, first: str) -> list[str]:
    """Return the words of the line that starts with a name."""
    (line,) = (line for line in output.splitlines() if line.split()[:1] == [first])
    return line.split()


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "histo.yaml"
    path.write_text("""
selections:
  EB: {cut: abs(eta) < 1.479, label: barrel}
  Unused: {cut: nonsense > 1}
histograms:
  Electrons:
    fill:
      pt: {axis: [50, 0, 100]}
      n: {per_event: count(), axis: {integer: [0, 12]}}
    for: {TkEleL2: all | EB}
  Events:
    fill: {met: {of: L1PuppiMet.pt, axis: [50, 0, 100]}}
""")
    return path


def test_without_a_dataset_the_configuration_is_written_out(histo: Command, config: Path) -> None:
    result = histo("list", config)
    assert (result.exit_code, result.stderr) == (0, "")
    assert cells(result.stdout, "EB") == ["EB", "abs(eta)", "<", "1.479", "barrel"]
    assert cells(result.stdout, "Unused")[1:] == ["nonsense", ">", "1"]
    assert cells(result.stdout, "Electrons/TkEleL2_EB_pt")[1:] == ["pt", "barrel"]
    assert cells(result.stdout, "Electrons/TkEleL2_all_n")[1:] == ["count()", "all"]
    assert "5 histograms" in result.stdout


def test_with_a_dataset_names_are_resolved_and_columns_shown(
    histo: Command, config: Path, demo: Path
) -> None:
    result = histo("list", config, demo)
    assert (result.exit_code, result.stderr) == (0, "")
    resolved = "EB TkEleL2 (abs(TkEleL2.eta) < 1.479)"
    assert cells(result.stdout, "EB") == resolved.split()
    assert "Unused" not in result.stdout
    row = cells(result.stdout, "Electrons/TkEleL2_EB_pt")
    assert row[1:] == ["TkEleL2.pt", "TkEleL2.eta,", "TkEleL2.pt"]
    assert cells(result.stdout, "Events/met")[1:] == ["L1PuppiMet_pt", "L1PuppiMet_pt"]


def test_with_a_dataset_what_is_read_is_shown(histo: Command, config: Path, demo: Path) -> None:
    shown = histo("list", config, demo).stdout.partition("Reads from")[2]
    assert cells(shown, "TkEleL2") == ["TkEleL2", "eta,", "pt"]
    assert cells(shown, "event") == ["event", "L1PuppiMet_pt"]
    assert "TkEmL2" not in shown
    assert "300 events in 2 partitions" in shown


def test_counting_reads_no_field(histo: Command, demo: Path, tmp_path: Path) -> None:
    config = tmp_path / "count.yaml"
    config.write_text("histograms: {G: {fill: {n: {of: count(GenEl), axis: [5, 0, 5]}}}}")
    shown = histo("list", config, demo).stdout.partition("Reads from")[2]
    assert cells(shown, "GenEl") == ["GenEl", "number", "of", "objects"]


def test_ready_made_configurations_can_be_listed(histo: Command, configs: Path, demo: Path) -> None:
    for arguments in ((), (demo,)):
        result = histo("list", configs / "histo/demo.yaml", *arguments)
        assert result.exit_code == 0, result.output
        assert "29 histograms" in result.stdout


def test_mistakes_are_found_before_anything_is_filled(
    histo: Command, config: Path, demo: Path
) -> None:
    config.write_text(config.read_text().replace("TkEleL2: all | EB", "TkEleL2: all | Unused"))
    assert histo("list", config).exit_code == 0
    result = histo("list", config, demo)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert "'nonsense'" in result.stderr
