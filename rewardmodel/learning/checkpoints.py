"""Everything that decides how training goes on, saved without pickle and loaded bit for bit."""

import json
import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from rewardmodel.learning.rundirectory import write_json
from rewardmodel.learning.shards import Piece, cut_like, in_one_piece


def save_state(
    folder: Path | None,
    module: torch.nn.Module,
    optimizer: Optimizer,
    scheduler: LRScheduler | None,
    position: dict[str, Any],
) -> None:
    """Write what training has changed since its start into `folder`.

    Nothing in it tells of the device: a run goes on on another.

    Args:
        folder: exists and is empty; None in a process that only gives its part of what is cut.
        module: only its parameters that require a gradient are saved; the others never change.
        optimizer: its moments are saved as tensors, its settings as JSON.
        scheduler: of the learning rate, or None.
        position: JSON values of the loop's own (step, counters, a KL coefficient).
    """
    tensors, settings = _optimizer_state(optimizer)
    parameters = _gathered(_trainable(module), keep=folder is not None)
    moments = _gathered(tensors, keep=folder is not None)
    if folder is None:
        return
    save_file(parameters, folder / "parameters.safetensors")
    save_file(moments, folder / "optimizer.safetensors")
    save_file(_random_state(), folder / "random.safetensors")
    state = {
        "optimizer": settings,
        "scheduler": scheduler.state_dict() if scheduler else None,
        "position": position,
    }
    write_json(folder / "state.json", state)


def load_state(
    folder: Path,
    module: torch.nn.Module,
    optimizer: Optimizer,
    scheduler: LRScheduler | None,
) -> dict[str, Any]:
    """Put everything back as `save_state` found it and return the position.

    The next step is then the step that an uninterrupted run would have made: bit for bit on a
    CPU with the same number of threads.

    Raises:
        ValueError: the checkpoint was made for another set of trained parameters.
    """
    saved = load_file(folder / "parameters.safetensors")
    present = dict(_named_trainable(module))
    if saved.keys() != present.keys():
        raise ValueError("The checkpoint is of another model; remove checkpoints/ to start again.")
    with torch.no_grad():
        for name, parameter in present.items():
            parameter.copy_(cut_like(parameter, saved[name]))
    state = json.loads((folder / "state.json").read_text(encoding="utf-8"))
    moments = load_file(folder / "optimizer.safetensors")
    trained = [p for group in optimizer.param_groups for p in group["params"]]
    for key, value in moments.items():
        moments[key] = cut_like(trained[int(key.partition(".")[0])], value)
    optimizer.load_state_dict(_joined(state["optimizer"], moments))
    if scheduler is not None:
        scheduler.load_state_dict(state["scheduler"])
    _restore_random_state(load_file(folder / "random.safetensors"))
    return state["position"]


def _named_trainable(module: torch.nn.Module) -> list[tuple[str, torch.nn.Parameter]]:
    return [(name, value) for name, value in module.named_parameters() if value.requires_grad]


def _trainable(module: torch.nn.Module) -> dict[str, Tensor]:
    return {name: value.detach() for name, value in _named_trainable(module)}


def _gathered(tensors: Mapping[str, Tensor | Piece], *, keep: bool) -> dict[str, Tensor]:
    """Every tensor in one piece, one after the other; nothing where they are not to be kept."""
    kept = {}
    for name, tensor in tensors.items():
        piece = in_one_piece(tensor)
        if keep:
            kept[name] = piece.contiguous()
    return kept


def _optimizer_state(optimizer: Optimizer) -> tuple[dict[str, Tensor | Piece], dict[str, Any]]:
    """Tensors under "<parameter number>.<name>", and the rest as JSON values."""
    state = optimizer.state_dict()
    tensors: dict[str, Tensor | Piece] = {}
    numbers: dict[str, dict[str, Any]] = {}
    for parameter, values in state["state"].items():
        for name, value in values.items():
            if isinstance(value, Tensor | Piece):
                tensors[f"{parameter}.{name}"] = value
            else:
                numbers.setdefault(str(parameter), {})[name] = value
    return tensors, {"param_groups": state["param_groups"], "numbers": numbers}


def _joined(settings: dict[str, Any], tensors: dict[str, Tensor]) -> dict[str, Any]:
    """The optimizer's state as torch wants it, from the two parts of `_optimizer_state`."""
    state = {int(parameter): dict(values) for parameter, values in settings["numbers"].items()}
    for key, value in tensors.items():
        parameter, name = key.split(".", 1)
        state.setdefault(int(parameter), {})[name] = value
    return {"state": state, "param_groups": settings["param_groups"]}


def _random_state() -> dict[str, Tensor]:
    """The state of the generators of torch, NumPy and Python as tensors.

    A GPU's own generator is not among them: nothing is drawn from it, so that a run can go on
    elsewhere.
    """
    _, keys, place, has_gauss, gauss = np.random.get_state(legacy=True)
    version, words, next_gauss = random.getstate()
    state = {
        "torch": torch.get_rng_state(),
        "numpy_keys": torch.from_numpy(np.asarray(keys, dtype=np.int64)),
        "numpy_place": torch.tensor([place, has_gauss]),
        "numpy_gauss": torch.tensor([gauss], dtype=torch.float64),
        "python_words": torch.tensor([version, *words]),
        # an empty tensor: Python holds no second normal number in store
        "python_gauss": torch.tensor(
            [] if next_gauss is None else [next_gauss], dtype=torch.float64
        ),
    }
    return state


def _restore_random_state(state: dict[str, Tensor]) -> None:
    torch.set_rng_state(state["torch"])
    keys = state["numpy_keys"].numpy().astype(np.uint32)
    place, has_gauss = state["numpy_place"].tolist()
    np.random.set_state(("MT19937", keys, place, has_gauss, state["numpy_gauss"].item()))
    version, *words = state["python_words"].tolist()
    random.setstate((version, tuple(words), next(iter(state["python_gauss"].tolist()), None)))
