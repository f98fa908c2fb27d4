"""Writes schedules.json: learning rates, step by step, that PyTorch and transformers compute for schedules which the
golden group lr_schedules does not cover. Run it with torch and transformers: python3 make_goldens.py"""
import json
import pathlib
import warnings

import torch
from torch.optim import lr_scheduler
from transformers import get_inverse_sqrt_schedule, get_wsd_schedule

warnings.filterwarnings("ignore")
LOSSES = [3.0, 2.5, 2.4, 2.45, 2.3999, 2.5, 2.39, 2.6, 2.6, 2.6, 2.6, 2.38, 2.4, 2.4, 2.4, 2.4, 2.4, 2.4, 2.4, 2.1, 2.2,
          2.2, 2.2, 2.2, 2.2, 2.2, 2.2, 2.2, 2.2, 2.2]


def rates(make, steps, lr=0.003):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=lr)
    scheduler = make(optimizer)
    all = []
    for i in range(steps):
        all.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        if isinstance(scheduler, lr_scheduler.ReduceLROnPlateau):
            scheduler.step(LOSSES[i])
        else:
            scheduler.step()
    return all


def wsd(**options):
    return lambda o: get_wsd_schedule(o, **options)


def plateau(**options):
    return lambda o: lr_scheduler.ReduceLROnPlateau(o, **options)


cases = {
    "step": rates(lambda o: lr_scheduler.StepLR(o, step_size=7, gamma=0.3), 30),
    "exponential": rates(lambda o: lr_scheduler.ExponentialLR(o, gamma=0.93), 30),
    "linear_to_a_tenth": rates(lambda o: lr_scheduler.LinearLR(o, start_factor=1.0, end_factor=0.1, total_iters=20), 30),
    "inverse_sqrt": rates(lambda o: get_inverse_sqrt_schedule(o, num_warmup_steps=6), 30),
    "inverse_sqrt_timescale": rates(lambda o: get_inverse_sqrt_schedule(o, num_warmup_steps=6, timescale=17), 30),
    "wsd_linear": rates(wsd(num_warmup_steps=4, num_stable_steps=9, num_decay_steps=10, decay_type="linear"), 30),
    "wsd_cosine": rates(wsd(num_warmup_steps=4, num_stable_steps=9, num_decay_steps=10, decay_type="cosine"), 30),
    "wsd_1-sqrt": rates(
        wsd(num_warmup_steps=4, num_stable_steps=9, num_decay_steps=10, decay_type="1-sqrt", min_lr_ratio=0.2), 30),
    "plateau": rates(plateau(factor=0.5, patience=2), 30),
    "plateau_cooldown": rates(plateau(factor=0.1, patience=1, threshold=0.02, cooldown=3, min_lr=1e-5), 30),
}
path = pathlib.Path(__file__).with_name("schedules.json")
lines = [f'{json.dumps(name)}: {json.dumps(values)}' for name, values in cases.items()]
path.write_text(f'{{\n"losses": {json.dumps(LOSSES)},\n' + ",\n".join(lines) + "\n}\n")
