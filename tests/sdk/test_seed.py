"""The snippets of the W&B notes that users have, as they are: only the import differs, and elisions are filled in."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.spools import offline

PREPARED = "import runstream as wandb\nloss, acc, step = 0.5, 0.9, 3\n"

# §5 runs in tests/e2e, online and offline.
SNIPPETS = {
    "§4.1": 'run = wandb.init(project="p", entity="e")',
    "§4.2": 'run = wandb.init(project="p")\nrun.config = {"lr": 0.1}\nassert run.config["lr"] == 0.1',
    "§4.2 of init": 'run = wandb.init(config={"lr": 0.1})\nassert run.config["lr"] == 0.1',
    "§4.3": 'run = wandb.init()\nrun.log({"loss": loss, "acc": acc}, step=step)',
    "§6": 'run = wandb.init(config={"epochs":100,"lr":0.001})\nrun.config["lr"] = 0.001\nrun.config["epochs"]',
    "§7": 'run = wandb.init()\nrun.log({"loss":loss,"acc":acc}, step=step)',
}


@pytest.mark.parametrize("snippet", SNIPPETS.values(), ids=SNIPPETS)
def test_snippets_run_as_they_are(tmp_path: Path, snippet: str) -> None:
    (spool,) = offline(PREPARED + snippet, tmp_path, WANDB_MODE="offline", RUNSTREAM_MODE="")
    assert spool.end == {"state": "RUN_STATE_FINISHED", "exitCode": 0}
    assert not spool.refused


def test_the_environment_of_section_11(tmp_path: Path) -> None:
    (spool,) = offline(
        PREPARED + "wandb.init(); wandb.log({'loss': loss})",
        tmp_path,
        RUNSTREAM_MODE="",
        WANDB_PROJECT="proteinx",
        WANDB_ENTITY="team",
        WANDB_MODE="offline",
        WANDB_RUN_ID="an-id",
        WANDB_RESUME="allow",
        WANDB_NAME="n",
        WANDB_NOTES="words",
        WANDB_TAGS="baseline,paperX",
        WANDB_RUN_GROUP="g",
        WANDB_JOB_TYPE="train",
        WANDB_DIR=str(tmp_path / "there"),
    )
    identity = spool.identity
    assert (identity["project"], identity["entity"], identity["run"]) == ("proteinx", "team", "an-id")
    assert spool.attributes() == {
        "displayName": "n",
        "notes": "words",
        "tags": {"values": ["baseline", "paperX"]},
        "group": "g",
        "jobType": "train",
    }
    assert (tmp_path / "there").is_dir()
