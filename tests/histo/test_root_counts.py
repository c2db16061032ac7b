"""The same counts from ROOT: RDataFrame fills what the e/gamma studies fill, in C++ of its own.

Fourteen histograms, among them rates, pairs within a collection and across two, matched objects
and an efficiency. The bins are those of the configurations; ROOT's own way to find the bin of a
number on an edge is another one, so the script finds bins as boost-histogram does.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from histo.efficiency import efficiency
from histo.load import read_histograms
from histo.result import FilledHistogram

EG = Path(__file__).parents[1] / "data" / "eg"
CONFIGS = Path(__file__).parents[2] / "configs"
STUDIES = ("eg_rate_menu", "eg_rate_counters", "eg_genmatch_menu")
Command = Callable[..., Any]

SCRIPT = r"""
import json, sys
import ROOT

ROOT.gInterpreter.Declare(r'''
using ROOT::RVecF; using ROOT::RVecI; using ROOT::RVecD;

bool eb(float eta) { return std::abs(eta) <= 1.479f; }
bool ee(float eta) { return std::abs(eta) > 1.479f && std::abs(eta) <= 2.4f; }
float online(double offline, float eta, double aEB, double bEB, double aEE, double bEE) {
  if (eb(eta)) return (offline - bEB) / aEB;
  return ee(eta) ? (offline - bEE) / aEE : NAN;
}
float ele(double p, float eta) { return online(p, eta, 1.201, 1.13, 1.253, 1.133); }
float em(double p, float eta) { return online(p, eta, 1.073, 3.875, 1.065, 4.226); }
float sta(double p, float eta) { return online(p, eta, 1.066, 7.421, 1.06, 4.84); }

// identification and isolation, none of them with a threshold
bool menuSta(float eta, int q) { return (eb(eta) && q & 2) || (ee(eta) && q & 1); }
bool menuPho(float eta, int q) { return (eb(eta) && q & 2) || (ee(eta) && q & 4); }
bool phoIso(float eta, float iso) { return iso <= (eb(eta) ? 0.25f : 0.205f); }
bool eleIso(float eta, float iso) { return iso <= (eb(eta) ? 0.13f : 0.28f); }
bool eleTight(float eta, int q) { return (eb(eta) || ee(eta)) && q & 2; }
bool eleLoose(float eta, int q) { return (eb(eta) && q & 2) || ee(eta); }

template <class F> RVecI each(size_t n, F passes) {
  RVecI out(n);
  for (size_t i = 0; i < n; ++i) out[i] = passes(i);
  return out;
}
ROOT::RVec<RVecI> pairs(int n) {
  ROOT::RVec<RVecI> out(2);
  for (int i = 0; i < n; ++i)
    for (int j = i + 1; j < n; ++j) { out[0].push_back(i); out[1].push_back(j); }
  return out;
}
// thresholds that the highest selected value reaches, as numbers of bins
RVecI thresholds(const RVecF &value, const RVecI &passed) {
  RVecI bins;
  float highest = -1;
  bool any = false;
  for (size_t i = 0; i < value.size(); ++i)
    if (passed[i]) { any = true; highest = std::max(highest, value[i]); }
  for (int i = 0; any && i < 100; ++i)
    if (double(highest) >= (i / 100.) * 100.) bins.push_back(i);
  return bins;
}
// number of the bin of each value, -1 below and n above
RVecI bins(const RVecF &values, int n, double low, double high) {
  RVecI out;
  for (double x : values) {
    double z = (x - low) / (high - low);
    out.push_back(z < 0 ? -1 : !(z < 1) ? n : int(z * n));
  }
  return out;
}
struct Matches { RVecI obj, gen; };
Matches match(const RVecF &pt, const RVecF &eta, const RVecF &phi, const RVecI &passed,
              const RVecF &gpt, const RVecF &geta, const RVecF &gphi, const RVecI &gpassed) {
  Matches out;
  for (size_t g = 0; g < gpt.size(); ++g) {
    if (!gpassed[g]) continue;
    int best = -1;
    float smallest = 0;
    for (size_t i = 0; i < pt.size(); ++i) {
      if (!passed[i]) continue;
      float deta = eta[i] - geta[g], dphi = phi[i] - gphi[g];
      if (dphi > float(M_PI)) dphi -= float(2 * M_PI);
      if (dphi < -float(M_PI)) dphi += float(2 * M_PI);
      float e2 = deta * deta, p2 = dphi * dphi, d2 = e2 + p2;
      if (!(d2 < 0.01f)) continue;
      float away = std::abs(pt[i] - gpt[g]);
      if (best < 0 || away < smallest) { best = i; smallest = away; }
    }
    if (best >= 0) { out.obj.push_back(best); out.gen.push_back(g); }
  }
  return out;
}
''')

frame = ROOT.RDataFrame("Events", sys.argv[1:])
define = {
    # EGSta: barrel, then endcap; particles: electrons, then photons
    **{f"Sta_{f}": f"ROOT::VecOps::Concatenate(EGStaEB_{f}, EGStaEE_{f})"
       for f in ("pt", "eta", "phi", "hwQual")},
    **{f"Gen_{f}": f"ROOT::VecOps::Concatenate(GenEl_{f}, GenPh_{f})"
       for f in ("pt", "eta", "phi", "caloeta", "calophi", "prompt")},
    "gen": "Gen_prompt >= 2",
    "gen_ee": "gen && each(Gen_pt.size(), [&](size_t i) { return ee(Gen_eta[i]); })",
    "ele_tight": "each(TkEleL2_pt.size(), [&](size_t i) {"
                 " return eleTight(TkEleL2_eta[i], TkEleL2_hwQual[i]); })",
    "ele_isoloose": "each(TkEleL2_pt.size(), [&](size_t i) {"
                    " return eleLoose(TkEleL2_eta[i], TkEleL2_hwQual[i])"
                    " && eleIso(TkEleL2_eta[i], TkEleL2_tkIso[i]); })",
    "ele_isoloose_eb": "ele_isoloose && each(TkEleL2_pt.size(), [&](size_t i) {"
                       " return eb(TkEleL2_eta[i]); })",
    "ele36": "ele_tight && each(TkEleL2_pt.size(), [&](size_t i) {"
             " return TkEleL2_pt[i] >= ele(36, TkEleL2_eta[i]); })",
    "em_iso": "each(TkEmL2_pt.size(), [&](size_t i) {"
              " return menuPho(TkEmL2_eta[i], TkEmL2_hwQual[i])"
              " && phoIso(TkEmL2_eta[i], TkEmL2_tkIso[i]); })",
    "em22": "em_iso && each(TkEmL2_pt.size(), [&](size_t i) {"
            " return TkEmL2_pt[i] >= em(22, TkEmL2_eta[i]); })",
    "em12": "em_iso && each(TkEmL2_pt.size(), [&](size_t i) {"
            " return TkEmL2_pt[i] >= em(12, TkEmL2_eta[i]); })",
    "sta_menu": "each(Sta_pt.size(), [&](size_t i) {"
                " return menuSta(Sta_eta[i], Sta_hwQual[i]); })",
    "sta51": "sta_menu && each(Sta_pt.size(), [&](size_t i) {"
             " return Sta_pt[i] >= sta(51, Sta_eta[i]); })",
    "em_pairs": "pairs(TkEmL2_pt.size())",
    "em_second": "ROOT::VecOps::Take(TkEmL2_pt, em_pairs[1])",
    "em_pair22": "each(em_second.size(), [&](size_t i) {"
                 " return em22[em_pairs[0][i]] && em_iso[em_pairs[1][i]]; })",
    "em_22_12": "each(em_second.size(), [&](size_t i) {"
                " return em22[em_pairs[0][i]] && em12[em_pairs[1][i]]; })",
    "sta_37_24": "bool found = false; for (size_t i = 0; i < Sta_pt.size(); ++i)"
                 " for (size_t j = i + 1; j < Sta_pt.size(); ++j)"
                 " found |= sta_menu[i] && sta_menu[j] && Sta_pt[i] >= sta(37, Sta_eta[i])"
                 " && Sta_pt[j] >= sta(24, Sta_eta[j]); return found;",
    "ele_25_12": "bool found = false; for (size_t i = 0; i < TkEleL2_pt.size(); ++i)"
                 " for (size_t j = i + 1; j < TkEleL2_pt.size(); ++j)"
                 " found |= eleLoose(TkEleL2_eta[i], TkEleL2_hwQual[i])"
                 " && eleLoose(TkEleL2_eta[j], TkEleL2_hwQual[j])"
                 " && TkEleL2_pt[i] >= ele(25, TkEleL2_eta[i])"
                 " && TkEleL2_pt[j] >= ele(12, TkEleL2_eta[j])"
                 " && std::abs(TkEleL2_vz[i] - TkEleL2_vz[j]) < 1; return found;",
    "ele_sta": "bool found = false; for (size_t i = 0; i < TkEleL2_pt.size(); ++i)"
               " for (size_t j = 0; j < Sta_pt.size(); ++j)"
               " found |= ele_isoloose[i] && TkEleL2_pt[i] >= ele(22, TkEleL2_eta[i])"
               " && sta_menu[j] && Sta_pt[j] >= sta(12, Sta_eta[j])"
               " && ROOT::VecOps::DeltaR(TkEleL2_caloEta[i], Sta_eta[j],"
               " TkEleL2_caloPhi[i], Sta_phi[j]) > 0.1f; return found;",
    "ele_match": "match(TkEleL2_pt, TkEleL2_eta, TkEleL2_phi, ele_tight,"
                 " Gen_pt, Gen_eta, Gen_phi, gen)",
    "em_match": "match(TkEmL2_pt, TkEmL2_eta, TkEmL2_phi, em_iso,"
                " Gen_pt, Gen_caloeta, Gen_calophi, gen_ee)",
    "ele_matched": "RVecF(ROOT::VecOps::Take(TkEleL2_pt, ele_match.obj))",
    "gen_matched": "RVecF(ROOT::VecOps::Take(Gen_pt, ele_match.gen))",
    "ele_response": "RVecF(ele_matched / gen_matched)",
    "gen_pt": "RVecF(Gen_pt[gen])",
    "em_matched_eta": "RVecF(ROOT::VecOps::Take(TkEmL2_eta, em_match.obj))",
}
for name, code in define.items():
    # a lambda inside would make ROOT think that it returns already
    frame = frame.Define(name, code if code.endswith(';') else f'return {code};')

rates = {
    "RateHistos/TkEleL2_MenuEleIsoLooseEtaEB_pt": "thresholds(TkEleL2_pt, ele_isoloose_eb)",
    "RateHistos/TkEmL2_MenuPhoIso_pt": "thresholds(TkEmL2_pt, em_iso)",
    "RateHistos/DoubleTkEmL2_MenuDoubleIsoTkPho22-X_pt": "thresholds(em_second, em_pair22)",
}
counters = {
    "SingleObjRateHistoCounter/TkEleL2_SingleTkEle36_rate": "Any(ele36)",
    "SingleObjRateHistoCounter/EGSta_SingleEGEle51_rate": "Any(sta51)",
    "DoubleObjRateHistoCounter/DoubleTkEmL2_DoubleIsoTkPho22-12_rate": "Any(em_22_12)",
    "DoubleObjRateHistoCounter/DoubleTkEleL2_DoubleTkEle25-12_rate": "ele_25_12",
    "DoubleObjRateHistoCounter/DoubleEGSta_DoubleStaEG37-24_rate": "sta_37_24",
    "DoubleObjRateHistoCounter/DoubleTkEleEGSta_DoubleIsoTkEleStaEG22-12_rate": "ele_sta",
}
fills = {
    "EGHistos/TkEleL2_MenuEleTight_GEN_pt": ("ele_matched", 100, 0, 100),
    "EGHistos/TkEmL2_MenuPhoIso_GENEtaEE_eta": ("em_matched_eta", 100, -4, 4),
    "EGResoHistos/TkEleL2_MenuEleTight_GEN_ptResp": ("ele_response", 100, 0, 3),
    "GenParticleHistos/h_effNum_TkEleL2_MenuEleTight_GEN_pt": ("gen_matched", 50, 0, 100),
    "GenParticleHistos/h_effDen_TkEleL2_MenuEleTight_GEN_pt": ("gen_pt", 50, 0, 100),
}
booked = {}
for index, (name, code) in enumerate(rates.items()):
    frame = frame.Define(f"rate{index}", code)
    booked[name] = frame.Histo1D(("", "", 100, 0, 100), f"rate{index}")
for index, (name, code) in enumerate(counters.items()):
    booked[name] = frame.Filter(code).Count()
for index, (name, (values, n, low, high)) in enumerate(fills.items()):
    frame = frame.Define(f"fill{index}", f"bins({values}, {n}, {low}, {high})")
    booked[name] = frame.Histo1D(("", "", n, 0, n), f"fill{index}")

found = {}
for name, result in booked.items():
    value = result.GetValue()
    if name in counters:
        found[name] = [0, int(value), 0]
    else:
        found[name] = [int(value.GetBinContent(i)) for i in range(value.GetNbinsX() + 2)]
stem = "GenParticleHistos/h_eff%s_TkEleL2_MenuEleTight_GEN_pt"
pairs = list(zip(found[stem % "Den"], found[stem % "Num"]))[1:-1]
interval = ROOT.TEfficiency.ClopperPearson
found["intervals"] = [
    [interval(total, passed, 0.682689492137086, upper) for total, passed in pairs]
    for upper in (False, True)
]
json.dump(found, sys.stdout)
"""


@pytest.fixture(scope="module")
def root_counts() -> dict[str, Any]:
    """What RDataFrame counts in the events with electrons."""
    files = [str(EG / f"doubleele_{number}.root") for number in (0, 1)]
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", SCRIPT, *files],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.fixture(scope="module")
def ours(
    skim: Command, histo: Command, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, FilledHistogram]:
    """The histograms of the three studies."""
    folder = tmp_path_factory.mktemp("root")
    files = ("--files", f"doubleele={EG}/doubleele_*.root")
    made = skim("run", CONFIGS / "skim/fastpuppi_eg.yaml", *files, "-o", folder / "dataset")
    assert made.exit_code == 0, made.output
    histograms = {}
    for study in STUDIES:
        output = folder / f"{study}.pkl"
        made = histo("run", CONFIGS / f"histo/{study}.yaml", folder / "dataset", "-o", output)
        assert made.exit_code == 0, made.output
        histograms |= read_histograms(output).histograms
    return histograms


def test_every_count_is_that_of_root(
    ours: dict[str, FilledHistogram], root_counts: dict[str, Any]
) -> None:
    names = set(root_counts) - {"intervals"}
    assert len(names) == 14
    for name in names:
        assert sum(root_counts[name]) > 0, name
        assert ours[name].values().tolist() == root_counts[name], name


def test_intervals_of_the_efficiency_are_those_of_root(
    ours: dict[str, FilledHistogram], root_counts: dict[str, Any]
) -> None:
    stem = "GenParticleHistos/h_eff{}_TkEleL2_MenuEleTight_GEN_pt"
    found = efficiency(ours[stem.format("Num")], ours[stem.format("Den")])
    filled = ~np.isnan(found.values)
    assert filled.sum() > 40
    for own, theirs in zip((found.lower, found.upper), root_counts["intervals"], strict=True):
        np.testing.assert_allclose(own[filled], np.array(theirs)[filled], rtol=1e-9)
