"""Molecules from files and streams of the formats that viewers read."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from support.files import logged

from runstream.errors import InvalidField
from runstream.values.group import Group
from runstream.values.molecule import Molecule

PDB = "ATOM      1  N   ALA A   1      11.104   6.134  -6.504  1.00  0.00           N\n"


def test_files_and_streams(tmp_path: Path) -> None:
    path = tmp_path / "protein.PDB"
    path.write_text(PDB)
    entry, files = logged(Molecule(str(path), caption="folded"), "mol", 3)
    assert entry["path"] == f"media/molecule/mol_3_{entry['sha256'][:20]}.pdb"
    assert (entry["_type"], entry["format"], entry["caption"]) == ("molecule-file", "pdb", "folded")
    assert files.of(entry) == PDB.encode()
    for stream in (io.StringIO(PDB), io.BytesIO(PDB.encode())):
        stream.read()
        found, files = logged(Molecule(stream, file_type="pdb"))
        assert files.of(found) == PDB.encode()
        assert "caption" not in found


def test_a_list_is_one_value() -> None:
    entry, _ = logged(Group([Molecule(io.StringIO(PDB), file_type="pdb")]))
    assert (entry["_type"], entry["count"], len(entry["molecules"])) == ("molecule", 1, 1)


@pytest.mark.parametrize(
    ("data", "file_type", "message"),
    [
        ("/nonexistent.pdb", None, "there is no file"),
        (__file__, None, r"data_or_path: must be one of cif, gro, .* not 'test_molecule.py'"),
        (io.StringIO(PDB), None, r"file_type: must be one of cif, .* not ''"),
        (io.StringIO(PDB), "exe", r"file_type: must be one of .* not 'exe'"),
        (3, None, "data_or_path: must be a path or an open file, not int"),
    ],
)
def test_arguments_that_cannot_be_are_named(data: Any, file_type: str | None, message: str) -> None:
    with pytest.raises(InvalidField, match=message):
        Molecule(data, file_type=file_type)
