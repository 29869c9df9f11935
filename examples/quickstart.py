"""The first program: it is wandb code, and runs as it is."""

import random
import time

import runstream as wandb

with wandb.init(project="proteinx-experiments", config={"lr": 1e-3, "batch_size": 64, "model": "resnet18"}) as run:
    for step in range(100):
        loss = 1.0 / (step + 1) + random.random() * 0.01
        acc = step / 100.0 + random.random() * 0.01
        run.log({"train/loss": loss, "train/acc": acc}, step=step)
        time.sleep(0.05)
print(run.receipt)
