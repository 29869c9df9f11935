"""After a storm the command line says what the receipts say: on the spool's side and on the server's (I3)."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
from fault.storm import Storm
from support.processes import run_cli

pytestmark = [
    pytest.mark.slow,
    pytest.mark.fault,
    pytest.mark.timeout(300),
]

_ACCOUNT = ("sent", "stored", "refused", "complete")


def test_I3_spool_verify_and_run_show_agree_with_the_receipts_after_a_storm(tmp_path: Path) -> None:
    with Storm(tmp_path, random.SystemRandom().randrange(1 << 32)) as storm:
        storm.blow(kills=20)
        storm.settle()
        storm.check()
        receipts = {
            json.loads((file.parent / "writer.json").read_text())["writer"]: json.loads(file.read_text())
            for file in storm.spools.rglob("receipt.json")
        }

        verified = run_cli("spool", "verify", str(storm.spools), "--json", env=storm.env, cwd=tmp_path)
        assert verified.returncode == 0, verified.stdout + verified.stderr
        *writers, total = map(json.loads, verified.stdout.splitlines())
        assert {each["writer"]: [each[name] for name in _ACCOUNT] for each in writers} == {
            writer: [receipt[name] for name in _ACCOUNT] for writer, receipt in receipts.items()
        }
        assert (total["open"], total["gaps"], total["problems"]) == (0, 0, 0)

        for run in {trainer.run for trainer in storm.trainers}:
            name = f"local/storm/{run}"
            shown = run_cli("run", "show", name, "--json", "--server", storm.query.url, env=storm.env, cwd=tmp_path)
            assert shown.returncode == 0, shown.stderr
            page = json.loads(shown.stdout)
            assert page["points"] == page["stored"] == sum(receipts[w["writer"]]["stored"] for w in page["writers"])
            for writer in page["writers"]:
                assert [writer[field] for field in _ACCOUNT] == [receipts[writer["writer"]][f] for f in _ACCOUNT]
