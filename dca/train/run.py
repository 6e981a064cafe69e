"""Training from shards to a saved model: the mode is chosen here, the results are written here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dca.errors import ConfigError
from dca.files import write_json
from dca.model.architecture import Architecture
from dca.model.card import NORMALISATION
from dca.train.autoencoding import Autoencoding
from dca.train.checkpoint import Checkpoints
from dca.train.job import Job, Outcome
from dca.train.lock import sole_training
from dca.train.settings import TrainSettings
from dca.train.split import TrainingData


def train(
    train_shards: Sequence[str | Path],
    validation_shards: Sequence[str | Path],
    folder: str | Path,
    architecture: Architecture | Mapping[str, Any],
    settings: TrainSettings,
    seed: int,
    *,
    threads: int | None = None,
    targets: Sequence[str | Path] = (),
    model_extra: Mapping[str, Any] | None = None,
    attempt: int | None = None,
    submission: str = "",
) -> dict[str, Any]:
    """Train the autoencoder and write ``model/``, history.tsv, timeline.tsv and summary.json.

    A training that was interrupted goes on from its last checkpoint; one that is still at work in the folder,
    left behind by a workflow manager, is told to stop first.

    Parameters
    ----------
    train_shards, validation_shards : sequence of path
        Shards of `dca.signals`. Without validation shards, runs or rows are held out.
    folder : path
        Folder of the results, usually ``results/train``.
    architecture : Architecture or mapping
        A mapping is the section ``model`` of the configuration; the length then comes from the shards.
    settings : TrainSettings
    seed : int
        Master seed of initial weights and row order.
    threads : int, optional
        Cores for all processes together; all there are by default.
    targets : sequence of path, optional
        For ``train.target: others``: the shard of targets of every training and validation shard, in this
        order, from `dca.signals.write_targets`.
    model_extra : mapping, optional
        Written into the model's card under ``config``.
    attempt : int, optional
        Which attempt at this training it is, from 1, where a workflow manager counts them and may take one
        that ended well for a failure. Checkpoints then stay after the end: a later attempt goes on from them,
        a new first one starts afresh. By default none stay.
    submission : str
        With `attempt`: what the cluster calls the job, the same when it starts the job anew by itself
        (Slurm's requeue). If what was left behind on a lost node has come to the end in the meantime, a
        first attempt goes on from there, too.

    Returns
    -------
    dict
        The content of summary.json.

    Raises
    ------
    DCAError
        If shards do not fit together or the mode cannot run here.
    """
    folder = Path(folder)
    if bool(targets) != (settings.target == "others"):
        raise ConfigError(
            "train.target", f"is {settings.target}, but there are {len(targets)} shards of targets",
            "give one for each run with `others`, none with `own`",
        )  # fmt: skip
    data = TrainingData.from_shards(train_shards, validation_shards, targets)
    if not isinstance(architecture, Architecture):
        architecture = Architecture.from_config(architecture, data.length)
    if architecture.length != data.length:
        raise ConfigError(
            "architecture", f"is for {architecture.length} time points, the shards have {data.length}",
            "give the shards' length",
        )  # fmt: skip
    source = Autoencoding(data, architecture)
    job = Job(source, folder, settings, settings.resolve(data.rows), seed, threads)
    checkpoints = Checkpoints(folder, job.fingerprint)
    with sole_training(folder):
        if attempt is None or attempt == 1:
            checkpoints.forget_ended(but=submission)
        outcome = run_mode(job)
        # Only now: TensorFlow's threads are set by the mode, before its first operation.
        from dca.model.autoencoder import build
        from dca.model.storage import save_model
        from dca.train.flat import set_flat

        model = build(architecture, seed)
        set_flat(model, outcome.weights)
        save_model(model, folder / "model", _card(data, job, outcome, model_extra or {}))
        summary = _summary(data, job, outcome)
        write_json(folder / "summary.json", summary)
        if attempt is None:
            checkpoints.remove()
        else:
            checkpoints.mark_ended(submission)
    return summary


def run_mode(job: Job) -> Outcome:
    """Train in the mode that the job's settings name."""
    if job.settings.mode == "downpour":
        from dca.train import downpour

        return downpour.run(job)
    if job.settings.mode == "sync":
        from dca.train import sync

        return sync.run(job)
    from dca.train import single

    return single.run(job)


def _card(data: TrainingData, job: Job, outcome: Outcome, config: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "tr": data.tr,
        "normalisation": NORMALISATION,
        "target": job.settings.target,
        "preprocessing": list(data.preprocessing),
        "trained_on": list(data.run_ids),
        "data_sha256": data.hash,
        "updates": outcome.updates,
        "seed": job.seed,
        "config": dict(config),
    }


def _summary(data: TrainingData, job: Job, outcome: Outcome) -> dict[str, Any]:
    return {
        "mode": job.settings.mode,
        "workers": 1 if job.settings.mode == "single" else job.settings.workers,
        "parameters": int(outcome.weights.size),
        "epochs": job.settings.epochs,
        "updates": outcome.updates,
        "rejected_updates": outcome.rejected,
        "samples": outcome.samples,
        "rows_left": outcome.rows_left,
        "wall_s": round(outcome.wall_s, 3),
        "samples_per_s": round(outcome.samples / outcome.wall_s, 1) if outcome.wall_s else None,
        "batch_size": job.plan.batch_size,
        "warmup_steps": job.plan.warmup_steps,
        "train_runs": len(data.run_ids),
        "train_rows": data.rows,
        "validation": data.held_out,
        "validation_rows": data.validation_rows,
        "loss": outcome.training and outcome.training.as_dict(),
        "validation_loss": outcome.validation and outcome.validation.as_dict(),
        "length": data.length,
        "tr": data.tr,
        "seed": job.seed,
        **outcome.details,
    }
