"""Made wandb_offline.wandb, with wandb 0.31.0: ``WANDB_MODE=offline python make_wandb_offline.py``."""

import math

import wandb

run = wandb.init(
    project="golden",
    id="goldenid",
    name="a name",
    notes="some notes",
    tags=["one", "two"],
    group="g",
    job_type="train",
    config={"lr": 0.1, "model": {"depth": 3}},
    settings=wandb.Settings(x_disable_stats=True, x_disable_meta=True, console="off", disable_git=True),
)
for step in range(100):
    run.log({"loss": 1 / (step + 1), "nested": {"acc": step / 100}, "flag": step % 2 == 0})
run.log({"odd": math.nan, "text": "hello", "list": [1, 2]})
run.log({"odd": math.inf}, step=400)
run.log({"loss": 7.0}, step=400)
run.config.update({"late": "x" * 10, "model": {"depth": 4, "width": 2}}, allow_val_change=True)
run.define_metric("loss", summary="min")
run.summary["best"] = {"acc": 0.25}
run.finish()
