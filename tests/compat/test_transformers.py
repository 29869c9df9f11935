"""transformers' own WandbCallback, unmodified, trains a small model and logs it here."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.asking import ask, points
from support.processes import run_python
from support.worlds import World

pytestmark = [pytest.mark.compat, pytest.mark.slow, pytest.mark.timeout(300)]
pytest.importorskip("transformers", reason="needs the extra compat")

TRAIN = """
import json
import runstream
import torch
from transformers import BertConfig, BertForSequenceClassification, Trainer, TrainingArguments

torch.manual_seed(0)
config = BertConfig(vocab_size=16, hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16)
model = BertForSequenceClassification(config)
rows = [{"input_ids": torch.tensor([i % 16, 1, 2]), "labels": torch.tensor(i % 2)} for i in range(32)]
args = TrainingArguments("out", report_to="wandb", run_name="tiny", max_steps=8, logging_steps=2, eval_strategy="steps",
                         eval_steps=4, per_device_train_batch_size=4, use_cpu=True, save_strategy="no",
                         disable_tqdm=True)
Trainer(model, args, train_dataset=rows, eval_dataset=rows[:8]).train()
import wandb
run = wandb.run
wandb.finish()
print(json.dumps([run.id, run.receipt.__dict__]))
"""


def test_the_run_has_what_the_trainer_logged(server: World, tmp_path: Path) -> None:
    env = server.env(RUNSTREAM_AS_WANDB="1", WANDB_PROJECT="hf")
    run_id, receipt = json.loads(run_python(TRAIN, env, tmp_path, timeout_s=240).splitlines()[-1])
    assert receipt["complete"]
    assert receipt["sent"] == receipt["stored"]
    run = ask(server.query_url, "GetRun", name=f"local/hf/{run_id}")["run"]
    assert (run["state"], run["displayName"]) == ("RUN_STATE_FINISHED", "tiny")
    assert (run["config"]["hidden_size"], run["config"]["max_steps"]) == (8, 8)
    assert run["config"]["model/num_parameters"] > 100
    assert {"train_runtime", "total_flos", "train_loss", "train/loss", "eval/loss"} <= set(run["summary"])
    found = points(server.query_url, f"local/hf/{run_id}", ["train/loss", "eval/loss", "train/global_step"])
    assert len(found["train/loss", 0]) == 4
    assert len(found["eval/loss", 0]) == 2
    assert max(found["train/global_step", 0].values()) == 8
