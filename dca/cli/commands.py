"""What each command takes, and the function of its stage that it calls."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from dca.cli.options import command, settings
from dca.config import detrends
from dca.errors import ConfigError

Arguments = argparse.Namespace
TR_HELP = "repetition time in s (from the JSON beside the image, or its header)"
MODEL_HELP = "model folder (results/train/model)"


def register(groups: Any) -> None:
    """Add all commands to a parser."""
    simulate = command(groups, "simulate", _simulate, "write a BIDS dataset with known truth")
    simulate.add_argument("folder", help="where to write it")
    simulate.add_argument("--subjects", type=int, default=3, help="how many (3)")
    simulate.add_argument("--seed", type=int, default=0, help="same seed, same bytes (0)")
    for name, kind, text in (
        ("voxel-mm", float, "edge of a voxel in mm (5)"),
        ("volumes", int, "volumes per run (284)"),
        ("tr", float, "repetition time in s (0.72)"),
        ("order", str, "shared or per-run: the order of events (shared)"),
        ("runs", int, "runs per subject (1)"),
        ("activation", float, "factor on the task's response (1)"),
        ("motion-mm", float, "typical largest translation in mm (0.5)"),
        ("response-spread", float, "factor on the spread of latency and width of the response (1)"),
        ("adaptation", float, "factor on how much the response fades (1)"),
        ("adaptation-spread", float, "SD of its logarithm between regions (0)"),
        ("timing-s", float, "typical delay of behaviour in s (0)"),
        ("artefact-rate", float, "factor on the rate of spikes and jerks (1)"),
        ("artefact-spread", float, "SD of its logarithm between runs (0)"),
        ("bursts", float, "bursts of motion per minute (0)"),
    ):
        simulate.add_argument(f"--{name}", type=kind, help=text)

    doctor = command(groups, "doctor", _doctor, "say what this machine has and what it lacks")
    doctor.add_argument("folder", nargs="?", default=".", help="where results would go")

    command(groups, "inputs", _inputs, "find and check the runs, and write results/inputs.tsv", settings=True)

    preprocess = command(groups, "preprocess", _preprocess, "preprocess one run", settings=True)
    preprocess.add_argument("bold", help="4-D image")
    preprocess.add_argument("out", help="folder of the run's results")
    preprocess.add_argument("--tr", type=float, help=TR_HELP)
    preprocess.add_argument("--mask", help="brain mask, for backend none")
    preprocess.add_argument("--confounds", help="confounds TSV, for backend none")

    signals = command(groups, "signals", _signals, "extract normalised series into a shard", settings=True)
    signals.add_argument("bold", help="preprocessed 4-D image")
    signals.add_argument("mask", help="3-D mask on the same grid")
    signals.add_argument("out", help="shard to write, .h5")
    signals.add_argument("--tr", type=float, help=TR_HELP)
    signals.add_argument("--run-id", help="name of the run (from the shard's name)")
    signals.add_argument("--subject", help="label of the subject (from the run's name)")
    signals.add_argument("--space", help="label of the image's space")
    signals.add_argument("--length", type=int, help="use only the first volumes")

    train = command(groups, "train", _train, "train the autoencoder", settings=True)
    train.add_argument("shards", nargs="+", help="training shards")
    train.add_argument("--validation", nargs="*", default=[], help="held-out shards")
    train.add_argument("--out", default="results/train", help="folder of the results (results/train)")
    train.add_argument("--threads", type=int, help="cores to use (all)")

    encode = command(groups, "encode", _encode, "encode a shard with a trained model")
    encode.add_argument("shard")
    encode.add_argument("out", help="features to write, .h5")
    encode.add_argument("--model", default="results/train/model", help=MODEL_HELP)
    encode.add_argument("--denoised", help="also write the model's reconstruction as an image, .nii.gz")
    encode.add_argument(
        "--group", help="also code the features in this group dictionary (results/decompose/group/dca)"
    )
    encode.add_argument("--coefficients", help="folder of these codes (beside the features, `<out>.group`)")

    decompose = command(groups, "decompose", _decompose, "learn a dictionary and its maps", settings=True)
    decompose.add_argument("shard")
    decompose.add_argument("out", help="folder of the results")
    decompose.add_argument("--features", help="features of the shard: decompose these (setup dca)")
    decompose.add_argument("--model", default="results/train/model", help=MODEL_HELP)
    decompose.add_argument("--glm", help="folder of the run's GLM, to map the atoms nearest to its events")

    glm = command(groups, "glm", _glm, "fit the task's general linear model", settings=True)
    glm.add_argument("shard")
    glm.add_argument("events", help="BIDS events TSV")
    glm.add_argument("out", help="folder of the results")
    glm.add_argument("--confounds", help="confounds TSV")

    compare = command(groups, "compare", _compare, "hold atoms against the task's design", settings=True)
    compare.add_argument("shard")
    compare.add_argument("events", help="BIDS events TSV")
    compare.add_argument("out", help="table to write, .tsv")
    compare.add_argument("--glm", required=True, help="folder of the run's GLM")
    compare.add_argument("--confounds", help="confounds TSV, where preprocess.regress is set")
    compare.add_argument("--raw", help="folder of the dictionary of signals")
    compare.add_argument("--dca", help="folder of the dictionary of features")
    compare.add_argument("--split", default="train", choices=["train", "validation"])
    compare.add_argument("--atoms", help="also write a table with p of every atom, .tsv")

    command(groups, "report", _report, "write the HTML pages of a study's results", settings=True)


def _simulate(arguments: Arguments) -> None:
    from dataclasses import fields

    from dca.simulate import Scenario, simulate_dataset

    names = [field.name for field in fields(Scenario) if hasattr(arguments, field.name)]
    options = {name: value for name in names if (value := getattr(arguments, name)) is not None}
    simulate_dataset(arguments.folder, arguments.subjects, arguments.seed, **options)


def _doctor(arguments: Arguments) -> int:
    from dca.doctor import examine

    findings = examine(arguments.folder)
    for finding in findings:
        print(f"{finding.state:8} {finding.what:16} {finding.detail}")  # noqa: T201
    return int(any(finding.state == "missing" for finding in findings))


def _inputs(arguments: Arguments) -> None:
    from dca.inputs import refresh

    config = settings(arguments)
    for run in refresh(config, Path.cwd(), config["results"]):
        print(f"{run.run_id}\t{run.split}\t{run.volumes} volumes\t{run.tr:g} s")  # noqa: T201


def _tr(arguments: Arguments) -> float:
    """Repetition time as given, from the JSON beside the image, or from its header."""
    from dca.files import stem
    from dca.inputs import open_bold
    from dca.inputs.timing import repetition_time

    bold = Path(arguments.bold)
    sidecar = bold.with_name(stem(bold) + ".json")
    sidecars = [sidecar] if sidecar.is_file() else []
    return repetition_time(bold, open_bold(bold), sidecars, arguments.tr)[0]


def _preprocess(arguments: Arguments) -> None:
    from dca.preprocess import backends
    from dca.preprocess.run import preprocess_run

    config = settings(arguments)
    others = backends.BESIDE | set(backends.names())
    own = {name: value for name, value in config["preprocess"].items() if name not in others}
    preprocess_run(
        arguments.bold,
        arguments.out,
        tr=_tr(arguments),
        mask=arguments.mask,
        confounds=arguments.confounds,
        seed=config["seed"],
        **own,
    )


def _signals(arguments: Arguments) -> None:
    from dca.preprocess import backends
    from dca.signals import extract

    config = settings(arguments)
    run_id = arguments.run_id or Path(arguments.out).stem
    extract(
        arguments.bold,
        arguments.mask,
        arguments.out,
        run_id=run_id,
        subject=arguments.subject or run_id.split("_")[0].removeprefix("sub-"),
        tr=_tr(arguments),
        space=arguments.space,
        seed=config["seed"],
        preprocessing=backends.recorded(config["preprocess"]),
        length=arguments.length,
        storage=config["signals"]["storage"],
        detrend=detrends(config),
    )


def _train(arguments: Arguments) -> None:
    from dca.train import TrainSettings, train

    config = settings(arguments)
    if config["train"]["target"] == "others":
        problem = "is `others`, which takes all runs with their events"
        raise ConfigError("train.target", problem, "train by `snakemake train`, or set it to own")
    train(
        arguments.shards,
        arguments.validation,
        arguments.out,
        config["model"],
        TrainSettings.from_config(config["train"]),
        config["seed"],
        threads=arguments.threads,
        model_extra={"model": config["model"], "train": config["train"]},
    )


def _encode(arguments: Arguments) -> None:
    from dca.features import encode

    encode(arguments.shard, arguments.model, arguments.out)
    if arguments.denoised:
        from dca.denoise import denoise

        denoise(arguments.shard, arguments.model, arguments.denoised)
    if arguments.group:
        from dca.decompose import code_run

        folder = arguments.coefficients or Path(arguments.out).with_suffix(".group")
        code_run(arguments.out, arguments.group, arguments.shard, folder)


def _decompose(arguments: Arguments) -> None:
    from dca.decompose import learn, write_maps
    from dca.files import read_json

    config = settings(arguments)
    section = config["decompose"]
    learn(
        arguments.features or arguments.shard,
        arguments.out,
        setup="dca" if arguments.features else "raw",
        atoms=section["atoms"],
        normalise=section["normalise"],
        lam=section["lambda"],
        batch_size=section["batch_size"],
        passes=section["passes"],
        seed=config["seed"],
        model_folder=arguments.model,
        shard=arguments.shard,
        courses=section["courses"],
    )
    glm = Path(arguments.glm) if arguments.glm else None
    design, events = (glm / "design.tsv", read_json(glm / "summary.json")["events"]) if glm else (None, [])
    out = Path(arguments.out, "maps.nii.gz")
    write_maps(arguments.shard, arguments.out, design, events, section["maps"], out)


def _glm(arguments: Arguments) -> None:
    from dca.glm import fit_run

    config = settings(arguments)
    section = config["glm"]
    fit_run(
        arguments.shard,
        arguments.events,
        arguments.confounds,
        arguments.out,
        hrf=section["hrf"],
        noise=section["noise"],
        confounds_kind=section["confounds"],
        contrasts=section["contrasts"],
        highpass_s=config["preprocess"]["highpass_s"],
        filtered=config["preprocess"]["backend"] != "none",
        regress=config["preprocess"]["regress"],
    )


def _compare(arguments: Arguments) -> None:
    from dca.compare import compare_run

    config = settings(arguments)
    folders = {"raw": arguments.raw, "dca": arguments.dca}
    compare_run(
        arguments.out,
        shard=arguments.shard,
        events=arguments.events,
        glm=arguments.glm,
        decompositions={setup: folder for setup, folder in folders.items() if folder},
        split=arguments.split,
        hrf=config["glm"]["hrf"],
        highpass_s=config["preprocess"]["highpass_s"],
        filtered=config["preprocess"]["backend"] != "none",
        regress=config["preprocess"]["regress"],
        confounds=arguments.confounds,
        surrogates=config["compare"]["surrogates"],
        seed=config["seed"],
        atoms=arguments.atoms,
        shared=config["train"]["target"] == "others",
    )


def _report(arguments: Arguments) -> None:
    from dca.inputs import read_runs
    from dca.report import write_index, write_subject, write_training

    config = settings(arguments)
    results = Path(config["results"])
    runs = read_runs(results / "inputs.tsv")
    for subject in sorted({run.subject for run in runs}):
        own = [run for run in runs if run.subject == subject]
        write_subject(results / "report" / f"{subject}.html", subject, own, results, config)
    write_training(results / "report" / "training.html", results, config)
    write_index(results / "report" / "index.html", runs, results, config)
