"""Reads all columns of files with real ROOT: ``FOLDER {FILE: {TREE: CLASS, ...}, ...}``.

In a process of its own, so that nothing of ROOT is loaded beside what is tested. For each column
the values (``TREE:COLUMN``), and for each level of lists their lengths (``TREE:COLUMN#0``, ...);
those of a file go to an ``.npz`` of its name in the folder.
"""

from __future__ import annotations

import json
import sys
import warnings
from pathlib import Path

warnings.simplefilter("ignore")  # the package of PyPI says of itself to be in alpha stage

import numpy as np  # noqa: E402
import ROOT  # noqa: E402

# RDataFrame.AsNumpy would do, but compiles something for each column: 23 s for a NanoAOD.
CODE = r"""
#include <ROOT/RNTupleReader.hxx>

struct Column {
  std::vector<std::int64_t> lengths, inner;
  std::vector<std::uint8_t> bytes;
  virtual ~Column() = default;
  virtual void fill(std::uint64_t entry) = 0;
  template <class T> void number(T x) {
    const auto *begin = reinterpret_cast<const std::uint8_t *>(&x);
    bytes.insert(bytes.end(), begin, begin + sizeof x);
  }
  template <class T, class List> void list(const List &xs, std::vector<std::int64_t> &sizes) {
    sizes.push_back(xs.size());
    for (T x : xs) number<T>(x);
  }
  template <class T, class Lists> void lists(const Lists &xss) {
    lengths.push_back(xss.size());
    for (const auto &xs : xss) list<T>(xs, inner);
  }
};

// of a TTree
template <class T> struct Values : Column {
  TTreeReaderValue<T> value;
  Values(TTreeReader &tree, const char *name) : value(tree, name) {}
  void fill(std::uint64_t) override { number<T>(*value); }
};
template <class T> struct Lists : Column {
  TTreeReaderArray<T> array;
  Lists(TTreeReader &tree, const char *name) : array(tree, name) {}
  void fill(std::uint64_t) override {
    lengths.push_back(array.GetSize());
    for (T x : array) number<T>(x);
  }
};
template <class T> struct ListsOfLists : Column {
  TTreeReaderValue<std::vector<std::vector<T>>> value;
  ListsOfLists(TTreeReader &tree, const char *name) : value(tree, name) {}
  void fill(std::uint64_t) override { lists<T>(*value); }
};

// of an RNTuple
template <class T> struct Views : Column {
  ROOT::RNTupleView<T> view;
  Views(ROOT::RNTupleReader &tuple, const char *name) : view(tuple.GetView<T>(name)) {}
};
template <class T> struct ValuesView : Views<T> {
  using Views<T>::Views;
  void fill(std::uint64_t entry) override { this->template number<T>(this->view(entry)); }
};
template <class T> struct CountsView : Views<ROOT::RNTupleCardinality<T>> {  // what counts a list
  using Views<ROOT::RNTupleCardinality<T>>::Views;
  void fill(std::uint64_t entry) override { this->template number<T>(this->view(entry)); }
};
template <class T> struct ListsView : Views<ROOT::RVec<T>> {
  using Views<ROOT::RVec<T>>::Views;
  void fill(std::uint64_t entry) override {
    this->template list<T>(this->view(entry), this->lengths);
  }
};
template <class T> struct ListsOfListsView : Views<ROOT::RVec<ROOT::RVec<T>>> {
  using Views<ROOT::RVec<ROOT::RVec<T>>>::Views;
  void fill(std::uint64_t entry) override { this->template lists<T>(this->view(entry)); }
};

bool counts(ROOT::RNTupleReader &tuple, const std::string &name) {
  const auto &fields = tuple.GetDescriptor();
  const auto &type = fields.GetFieldDescriptor(fields.FindFieldId(name)).GetTypeName();
  return type.find("Cardinality") != std::string::npos;
}
ROOT::RNTupleReader *open_tuple(const std::string &name, const std::string &file) {
  return ROOT::RNTupleReader::Open(name, file).release();
}
void read(TTreeReader &tree, const std::vector<Column *> &columns) {
  while (tree.Next())
    for (auto *column : columns) column->fill(0);
}
void read(ROOT::RNTupleReader &tuple, const std::vector<Column *> &columns) {
  for (auto entry : tuple)
    for (auto *column : columns) column->fill(entry);
}
"""
LISTS = ("ROOT::VecOps::RVec<", "vector<", "std::vector<")


def read(file: str, trees: dict[str, str]) -> dict[str, np.ndarray]:
    """Read all columns of the trees of a file."""
    found: dict[str, np.ndarray] = {}
    opened = ROOT.TFile.Open(file)
    for tree, classname in trees.items():
        frame = ROOT.RDataFrame(tree, file)  # knows the columns of both
        is_tree = classname == "TTree"
        reader = ROOT.TTreeReader(tree, opened) if is_tree else ROOT.open_tuple(tree, file)
        columns = {}
        for name in map(str, frame.GetColumnNames()):
            kind, depth = parse(str(frame.GetColumnType(name)))
            # `object.member` again as `member`, records of an importer, parts of what is no number
            if "." in name or kind not in KINDS:
                continue
            shape = ("Values", "Lists", "ListsOfLists")[depth]
            if not is_tree:
                shape = "CountsView" if ROOT.counts(reader, name) else f"{shape}View"
            maker = getattr(ROOT, shape)[kind]
            columns[name] = maker(reader, name), depth, KINDS[kind]
        pointers = ROOT.std.vector["Column*"]()
        for column, _, _ in columns.values():
            pointers.push_back(column)
        ROOT.read(reader, pointers)
        for name, (column, depth, dtype) in columns.items():
            found[f"{tree}:{name}"] = np.array(column.bytes, np.uint8).view(dtype)
            for level, lengths in enumerate((column.lengths, column.inner)[:depth]):
                found[f"{tree}:{name}#{level}"] = np.array(lengths, np.int64)
    return found


def parse(kind: str) -> tuple[str, int]:
    """Return the type of the numbers, and how many levels of lists they are in."""
    depth = 0
    while prefix := next((prefix for prefix in LISTS if kind.startswith(prefix)), ""):
        kind, depth = kind.removeprefix(prefix)[:-1], depth + 1
    return kind, depth


KINDS = {
    f"{prefix}{name}": kind
    for kind, names in {
        "bool": ("bool", "Bool_t"),
        "float32": ("float", "Float_t"),
        "float64": ("double", "Double_t"),
        "int8": ("char", "Char_t", "signed char", "int8_t"),
        "uint8": ("unsigned char", "UChar_t", "uint8_t"),
        "int16": ("short", "Short_t", "int16_t"),
        "uint16": ("unsigned short", "UShort_t", "uint16_t"),
        "int32": ("int", "Int_t", "int32_t"),
        "uint32": ("unsigned int", "UInt_t", "uint32_t"),
        "int64": ("long", "long long", "Long64_t", "int64_t"),
        "uint64": ("unsigned long", "unsigned long long", "ULong64_t", "uint64_t"),
    }.items()
    for name in names
    for prefix in ("", "std::")
}

if __name__ == "__main__":
    ROOT.gErrorIgnoreLevel = ROOT.kFatal  # no dictionaries for split objects and nested vectors
    ROOT.gInterpreter.Declare(CODE)
    for path, names in json.loads(sys.argv[2]).items():
        np.savez(Path(sys.argv[1]) / f"{Path(path).stem}.npz", **read(path, names))
