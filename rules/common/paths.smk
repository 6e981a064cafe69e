# Which files a stage or a target consists of.
from dca.compare.others import is_common
from dca.inputs import hcp, remote
from dca.preprocess import limits


def result(path):
    """A path below the results folder."""
    return f"{RESULTS}/{path}"


def given_file(path):
    """A file of the inputs or of the clone: it lies where it is named, wherever the results are."""
    return storage.s3(remote.address(path)) if remote.is_remote(path) else local(str(path))


def log_file(path):
    """The log of a rule, beside the others of its stage."""
    return f"{RESULTS}/logs/{path}.log"


def benchmark_file(path):
    """Wall time and memory of a rule's jobs."""
    return f"{RESULTS}/benchmarks/{path}.tsv"


# What uses the trained model needs both of its files.
MODEL = {"card": "card.json", "weights": "model.weights.h5"}
if config["encode"]["model"]:
    MODEL = {key: given_file(f"{config['encode']['model']}/{name}") for key, name in MODEL.items()}
else:
    MODEL = {key: result(f"train/model/{name}") for key, name in MODEL.items()}


def per_run(pattern, keep=lambda run: True):
    """One file for every run that `keep` accepts."""
    return [result(pattern.format(run_id=run.run_id)) for run in RUNS.values() if keep(run)]


def kept_runs():
    """Runs that stay in the study; with `exclude_over_limits` they are known after preprocessing."""
    if not EXCLUDE:
        return list(RUNS.values())
    included = limits.included_runs(checkpoints.select_runs.get().output.table)
    return [run for run in RUNS.values() if run.run_id in included]


def kept_length(wildcards):
    """Volumes that all series are cut to, where so set: those of the shortest run that stays."""
    if not CROP:
        return None
    if FROZEN:
        return FROZEN["architecture"]["length"]
    # A model from elsewhere has the length of the shortest of all runs: check_trained.
    return inputs.training_length(list(RUNS.values()) if config["encode"]["model"] else kept_runs())


def per_kept_run(pattern, keep=lambda run: True):
    """One file for every run that stays in the study and that `keep` accepts, as an input function."""
    return lambda wildcards: [result(pattern.format(run_id=run.run_id)) for run in kept_runs() if keep(run)]


def per_kept_task_run(pattern):
    """One file for every run that stays in the study and has events, as an input function."""
    return per_kept_run(pattern, lambda run: run.events)


def model_files():
    """The trained model and the record of its training; none where the model comes from elsewhere."""
    if config["encode"]["model"]:
        return []
    names = [
        "model/card.json",
        "model/model.weights.h5",
        "history.tsv",
        "timeline.tsv",
        "summary.json",
    ]
    return [result(f"train/{name}") for name in names]


def training_summary():
    """The record of the training, where there is one."""
    return [result("train/summary.json")] if model_files() else []


def denoised_files(wildcards):
    """The model's reconstructions of all runs, where wanted."""
    return (
        per_kept_run("features/{run_id}_denoised.nii.gz")(wildcards) if config["encode"]["denoised"] else []
    )


def demo_files():
    """What describes the demo as a dataset. No job needs it, so that a larger demo is only described anew."""
    names = ["dataset_description.json", "participants.tsv"]
    return [given_file(DEMO / name) for name in names] if config["input"]["source"] == "demo" else []


def subject_of_demo():
    """The settings that make a subject of the demo: not how many there are."""
    return {key: value for key, value in config["demo"].items() if key != "subjects"}


def decompose_files():
    """Dictionaries and maps of all setups, as input functions."""
    return [per_kept_run(f"decompose/{setup}/{{run_id}}/maps.nii.gz") for setup in SETUPS]


def compare_files():
    """The tables of the comparison; none in a study at rest."""
    if not any(run.events for run in runs):
        return []
    names = ["pcc", "group", *(["replication"] if GROUP_SETUPS else [])]
    return [result(f"compare/{name}.tsv") for name in names]


def report_files():
    """All pages, and the folder for Snakemake's own report where wanted."""
    return report_pages() + ([result("report_bundle")] if config["report"]["bundle"] else [])


def report_pages():
    """The index, the training and one page per subject, with what lies beside them."""
    pages = ["report/index", "report/training", *(f"report/{subject}" for subject in SUBJECTS)]
    # Without the flag of a folder, which is for outputs.
    return [
        file for page in pages for file in (result(f"{page}.html"), *map(str, files_beside(page).values()))
    ]


def files_beside(page):
    """The folder with what a page of the report loads; none where it holds all itself."""
    return {} if config["report"]["single_file"] else {"files": directory(result(f"{page}_files"))}


def shown_page(page, category, caption):
    """A page as an output; Snakemake's own report shows it, unless it has all pages in one folder."""
    path = result(f"{page}.html")
    return path if config["report"]["bundle"] else report(path, category=category, caption=caption)


def run_vectors(run_id):
    """Carpet plot and temporal SNR of a run in other formats, beside the PNG."""
    names = [f"{figure}.{kind}" for figure in ("carpet", "tsnr") for kind in ("svg", "pdf")]
    return [result(f"preprocess/{run_id}/{name}") for name in names]


def scaling_tables():
    """What the benchmarks of the training left in the clone, as far as they were run."""
    tables = [settings.ROOT / f"benchmarks/results/{name}.tsv" for name in ("scaling", "equal-loss", "step")]
    return [given_file(table) for table in tables if table.is_file()]


def run_record(field):
    """A parameter of a rule: one field of the job's run."""
    return lambda wildcards: getattr(RUNS[wildcards.run_id], field)


def events_file(wildcards):
    """The events of the job's run."""
    return given_file(RUNS[wildcards.run_id].events_file)


def ev_files(wildcards):
    """The three-column files of the job's run, of HCP: its folder has one for every event."""
    run = RUNS[wildcards.run_id]
    return [given_file(run.bold.parent / hcp.EVS / f"{event}.txt") for event in run.events]


def glm_maps(names):
    """The maps of events and contrasts, for a run that is still a wildcard."""
    return expand(
        result("glm/{{run_id}}/{map}_{kind}.nii.gz"),
        map=names,
        kind=["z", "effect", "variance"],
    )


def kept_events(split):
    """The events of all runs that stay in the study on one side of the split, as an input function."""
    return lambda wildcards: [given_file(run.events_file) for run in kept_runs() if run.split == split]


def z_maps(wildcards):
    """The z maps of all events, of all runs that stay in the study."""
    return [result(f"glm/{run.run_id}/{event}_z.nii.gz") for run in kept_runs() for event in run.events]


def decompose_input(wildcards):
    """Signals or features, and for all but signals the model."""
    files = {"shard": result("signals/{run_id}.h5")}
    if wildcards.setup == "dca":
        files["features"] = result("features/{run_id}.h5")
    return files if wildcards.setup == "raw" else files | MODEL


def group_input(wildcards):
    """Signals or features of all training runs, and for the latter the model."""
    folder = "signals" if wildcards.setup == "raw" else "features"
    sources = [result(f"{folder}/{run.run_id}.h5") for run in training_runs()]
    return {"sources": sources} | ({} if wildcards.setup == "raw" else MODEL)


def training_runs():
    """Training runs that stay in the study."""
    return [run for run in kept_runs() if run.split == "train"]


def training_subjects(wildcards):
    """The subject of every training run."""
    return [run.subject for run in training_runs()]


def code_input(wildcards):
    """A run's signals, or signals and features, and the dictionary of all runs."""
    files = {
        "shard": result("signals/{run_id}.h5"),
        "atoms": result("decompose/group/{setup}/atoms.h5"),
    }
    if wildcards.setup == "dca" and config["encode"]["dictionary"]:
        files["atoms"] = given_file(f"{config['encode']['dictionary']}/atoms.h5")
    return files | ({"features": result("features/{run_id}.h5")} if wildcards.setup == "dca" else {})


def atom_map_input(wildcards):
    """A dictionary with its coefficients, and the design that its atoms are held against."""
    folder = "decompose/{setup}/{run_id}"
    files = {
        "shard": result("signals/{run_id}.h5"),
        "dictionary": result(f"{folder}/dictionary.tsv"),
        "coefficients": result(f"{folder}/coefficients.npz"),
    }
    if RUNS[wildcards.run_id].events:
        files["design"] = result("glm/{run_id}/design.tsv")
    return files


def compare_input(wildcards):
    """The dictionaries of a run in all setups, and its GLM."""
    run = RUNS[wildcards.run_id]
    folders = [f"decompose/{setup}/{run.run_id}" for setup in SETUPS]
    return others_maps(run) | {
        "shard": result("signals/{run_id}.h5"),
        "events": given_file(run.events_file),
        "dictionaries": [result(f"{folder}/dictionary.tsv") for folder in folders],
        "coefficients": [result(f"{folder}/coefficients.npz") for folder in folders],
        "confounds": result("preprocess/{run_id}/confounds.tsv"),
        "design": result("glm/{run_id}/design.tsv"),
        "maps": [result(f"glm/{run.run_id}/{event}_z.nii.gz") for event in run.events],
    }


def others_maps(run):
    """What holds a run's maps against those of the others, where runs lie on one another."""
    sums = result("compare/z_sums.h5")
    # With a model that stays, so do the tables of the runs that were compared before others came.
    return {"sums": ancient(sums) if config["train"]["freeze"] else sums} if is_common(space_of(run)) else {}


def kept_task_runs():
    """Runs that stay in the study and have events."""
    return [run for run in kept_runs() if run.events]


def replication_input(wildcards):
    """All runs in all group dictionaries, with their designs."""
    members = kept_task_runs()
    folders = [f"decompose/{setup}/{run.run_id}" for setup in GROUP_SETUPS for run in members]
    return {
        "shards": [result(f"signals/{run.run_id}.h5") for run in members],
        "designs": [result(f"glm/{run.run_id}/design.tsv") for run in members],
        "dictionaries": [result(f"{folder}/dictionary.tsv") for folder in folders],
        "coefficients": [result(f"{folder}/coefficients.npz") for folder in folders],
    }


def plain(run):
    """A run as a parameter that Snakemake can compare with the last time's."""
    return {name: str(value) if isinstance(value, Path) else value for name, value in vars(run).items()}


def run_report_files(run, kept):
    """What the report shows of one run: of one that is left out, its preprocessing."""
    folders = [f"decompose/{setup}/{run.run_id}" for setup in SETUPS]
    preprocessed = [
        f"preprocess/{run.run_id}/summary.json",
        f"preprocess/{run.run_id}/confounds.tsv",
        f"preprocess/{run.run_id}/carpet.png",
        f"preprocess/{run.run_id}/tsnr.png",
        f"preprocess/{run.run_id}/mean.nii.gz",
        f"preprocess/{run.run_id}/mask.nii.gz",
    ]
    vectors = run_vectors(run.run_id)
    if run not in kept:
        return [*vectors, *(result(name) for name in preprocessed)]
    names = [
        *preprocessed,
        f"signals/{run.run_id}.h5",
        *(f"{folder}/summary.json" for folder in folders),
        *(
            f"{folder}/{name}"
            for folder in folders
            for name in ("dictionary.tsv", "coefficients.npz", "maps.nii.gz", "maps.json")
        ),
    ]
    if {"dca", "dca-group"} & set(SETUPS):
        examples = [f"features/{run.run_id}_reconstruction.{suffix}" for suffix in ("tsv", "json")]
        names += [f"features/{run.run_id}.h5", *examples]
    if run.events:
        tables = [f"compare/{folder}/{run.run_id}.tsv" for folder in ("runs", "atoms")]
        names += [f"glm/{run.run_id}/summary.json", *tables]
    return [*vectors, *(result(name) for name in names)]


def subject_report_input(wildcards):
    """The runs of one subject."""
    runs, kept = [run for run in RUNS.values() if run.subject == wildcards.subject], kept_runs()
    return [file for run in runs for file in run_report_files(run, kept)]


def index_report_input(wildcards):
    """What is common to all runs, and each run's numbers."""
    signals = [result(f"signals/{run.run_id}.h5") for run in kept_runs()]
    common = any(is_common(space_of(run)) for run in kept_task_runs())
    sums = [result("compare/z_sums.h5")] if common else []
    summaries = per_run("preprocess/{run_id}/summary.json")
    return [*model_files(), *compare_files(), *sums, *summaries, *signals, *ran_files()]


def ran_files():
    """What the methods text tells of the runs that stay: what was encoded, decomposed, fitted and compared."""
    names = [f"decompose/{setup}/{run.run_id}/summary.json" for setup in SETUPS for run in kept_runs()]
    if {"dca", "dca-group"} & set(SETUPS):
        names += [f"features/{run.run_id}_reconstruction.json" for run in kept_runs()]
    for run in kept_task_runs():
        names += [f"glm/{run.run_id}/summary.json", f"compare/runs/{run.run_id}.tsv"]
    return [result(name) for name in names]
