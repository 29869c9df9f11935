"""Lightning's own WandbLogger, unmodified, trains a small model and logs it here."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.asking import ask, points
from support.processes import run_python
from support.worlds import World

pytestmark = [pytest.mark.compat, pytest.mark.slow, pytest.mark.timeout(300)]
pytest.importorskip("lightning", reason="needs the extra compat")

TRAIN = """
import json, sys
import runstream
import torch
import lightning.pytorch as pl
from lightning.pytorch.loggers import WandbLogger

class Line(pl.LightningModule):
    def __init__(self, lr=0.1, layers=(1, 1)):
        super().__init__()
        self.save_hyperparameters()
        self.line = torch.nn.Linear(1, 1)

    def training_step(self, batch, index):
        loss = torch.nn.functional.mse_loss(self.line(batch[0]), batch[1])
        self.log("train/loss", loss)
        return loss

    def validation_step(self, batch, index):
        self.log("val/loss", torch.nn.functional.mse_loss(self.line(batch[0]), batch[1]))

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=self.hparams.lr)

torch.manual_seed(0)
x = torch.linspace(-1, 1, 64).unsqueeze(1)
data = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(x, 3 * x + 1), batch_size=16)
logger = WandbLogger(project="lightning", name="a line", tags=["compat"])
trainer = pl.Trainer(max_epochs=3, accelerator="cpu", devices=1, logger=logger, log_every_n_steps=1,
                     enable_progress_bar=False, enable_checkpointing=False, enable_model_summary=False)
trainer.fit(Line(), data, data)
logger.experiment.config["later"] = 1
import wandb
run = wandb.run
assert run is logger.experiment and logger.version == run.id and logger.name == "lightning"
wandb.finish()
print(json.dumps([run.id, run.receipt.__dict__]))
"""


def test_the_run_has_what_lightning_logged(server: World, tmp_path: Path) -> None:
    env = server.env(RUNSTREAM_AS_WANDB="1")
    run_id, receipt = json.loads(run_python(TRAIN, env, tmp_path, timeout_s=240).splitlines()[-1])
    assert receipt["complete"]
    assert receipt["sent"] == receipt["stored"]
    run = ask(server.query_url, "GetRun", name=f"local/lightning/{run_id}")["run"]
    assert (run["state"], run["displayName"], run["tags"]) == ("RUN_STATE_FINISHED", "a line", ["compat"])
    assert run["config"] == {"lr": 0.1, "layers": [1, 1], "later": 1}
    assert run["summary"]["val/loss"] < 3
    found = points(server.query_url, f"local/lightning/{run_id}", ["train/loss", "val/loss", "trainer/global_step"])
    assert len(found["train/loss", 0]) == 12
    assert len(found["val/loss", 0]) == 3
    global_steps = found["trainer/global_step", 0]
    assert set(found["train/loss", 0]) | set(found["val/loss", 0]) <= set(global_steps)
    assert max(global_steps.values()) == 11


def test_trainers_in_other_processes_log_to_the_same_run(server: World, tmp_path: Path) -> None:
    code = """
import json, multiprocessing, pickle
import runstream
from lightning.pytorch.loggers import WandbLogger

def work(logger):
    logger.log_metrics({"from/child": 2.0}, step=7)
    import wandb
    wandb.finish()

if __name__ == "__main__":
    logger = WandbLogger(project="lightning")
    logger.experiment
    logger.log_metrics({"from/parent": 1.0}, step=7)
    child = multiprocessing.get_context("spawn").Process(target=work, args=(logger,))
    child.start()
    child.join()
    assert child.exitcode == 0
    import wandb
    run = wandb.run
    wandb.finish()
    print(run.id)
"""
    (tmp_path / "spawn.py").write_text(code)
    env = server.env(RUNSTREAM_AS_WANDB="1")
    run_id = run_python(tmp_path / "spawn.py", env, tmp_path, timeout_s=240).split()[-1]
    found = points(server.query_url, f"local/lightning/{run_id}", ["from/parent", "from/child"])
    assert [list(found[key, 0].values()) for key in ("from/parent", "from/child")] == [[1.0], [2.0]]


def test_images_tables_and_texts_go_through_its_logger(server: World, tmp_path: Path) -> None:
    code = """
import json
import runstream
import numpy as np
from lightning.pytorch.loggers import WandbLogger
logger = WandbLogger(project="lightning")
logger.log_image("samples", [np.zeros((4, 4, 3), np.uint8)], caption=["black"], step=3)
logger.log_table("rows", columns=["a", "b"], data=[[1, "x"], [2, "y"]], step=3)
logger.log_text("words", columns=["said"], data=[["hello"]], step=3)
import wandb
run = wandb.run
wandb.finish()
print(json.dumps([run.id, run.receipt.__dict__]))
"""
    env = server.env(RUNSTREAM_AS_WANDB="1")
    run_id, receipt = json.loads(run_python(code, env, tmp_path, timeout_s=240).splitlines()[-1])
    assert receipt["complete"]
    assert receipt["refused"] == 0
    name = f"local/lightning/{run_id}"
    keys = ["samples", "rows", "words"]
    values = ask(server.query_url, "GetHistoryValues", runs=[name], keys=keys)["values"]
    assert sorted(value["key"] for value in values) == sorted(keys)
    assert points(server.query_url, name, ["trainer/global_step"])["trainer/global_step", 0] == {0: 3.0, 1: 3.0, 2: 3.0}
