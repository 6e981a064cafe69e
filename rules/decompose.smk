# Sparse dictionaries of signals (raw), of features (dca) and of reconstructions (dca-signal), per run or one
# for all training runs (-group), and maps of their atoms.


rule learn_dictionary:
    input:
        unpack(decompose_input),
    output:
        dictionary=result("decompose/{setup}/{run_id}/dictionary.tsv"),
        coefficients=result("decompose/{setup}/{run_id}/coefficients.npz"),
        summary=result("decompose/{setup}/{run_id}/summary.json"),
    log:
        log_file("decompose/{setup}/{run_id}"),
    benchmark:
        benchmark_file("decompose/{setup}/{run_id}")
    wildcard_constraints:
        setup="raw|dca|dca-signal",
    group:
        setup_group
    conda:
        "../envs/dca.yaml"
    threads: 1
    resources:
        mem_mb=mem_mb(2000, 6),
        runtime=runtime(10, 360),
    params:
        atoms=config["decompose"]["atoms"],
        normalise=config["decompose"]["normalise"],
        lam=config["decompose"]["lambda"],
        batch_size=config["decompose"]["batch_size"],
        passes=config["decompose"]["passes"],
        seed=config["seed"],
        courses=config["decompose"]["courses"],
    script:
        "../workflow/scripts/decompose.py"


rule learn_group_dictionary:
    input:
        unpack(group_input),
    output:
        dictionary=result("decompose/group/{setup}/dictionary.tsv"),
        atoms=result("decompose/group/{setup}/atoms.h5"),
        summary=result("decompose/group/{setup}/summary.json"),
    log:
        log_file("decompose/group/{setup}"),
    benchmark:
        benchmark_file("decompose/group/{setup}")
    wildcard_constraints:
        setup="raw|dca",
    conda:
        "../envs/dca.yaml"
    threads: 1
    resources:
        mem_mb=mem_mb(2500),
        runtime=runtime(60, 60),
    params:
        atoms=config["decompose"]["atoms"],
        normalise=config["decompose"]["normalise"],
        lam=config["decompose"]["lambda"],
        batch_size=config["decompose"]["batch_size"],
        passes=config["decompose"]["passes"],
        seed=config["seed"],
        columns=config["decompose"]["group_columns"],
        subjects=training_subjects,
    script:
        "../workflow/scripts/decompose_group.py"


rule code_run:
    input:
        unpack(code_input),
    output:
        dictionary=result("decompose/{setup}-group/{run_id}/dictionary.tsv"),
        coefficients=result("decompose/{setup}-group/{run_id}/coefficients.npz"),
        summary=result("decompose/{setup}-group/{run_id}/summary.json"),
    log:
        log_file("decompose/{setup}-group/{run_id}"),
    benchmark:
        benchmark_file("decompose/{setup}-group/{run_id}")
    wildcard_constraints:
        setup="raw|dca",
    group:
        "dca"
    conda:
        "../envs/dca.yaml"
    threads: 1
    resources:
        mem_mb=mem_mb(2000, 6),
        runtime=runtime(10, 180),
    script:
        "../workflow/scripts/code_run.py"


rule map_atoms:
    input:
        unpack(atom_map_input),
    output:
        maps=result("decompose/{setup}/{run_id}/maps.nii.gz"),
        card=result("decompose/{setup}/{run_id}/maps.json"),
    log:
        log_file("decompose/{setup}/{run_id}.maps"),
    benchmark:
        benchmark_file("decompose/{setup}/{run_id}.maps")
    group:
        setup_group
    conda:
        "../envs/dca.yaml"
    threads: 1
    resources:
        mem_mb=mem_mb(1000, 6),
        runtime=runtime(5, 45),
    params:
        events=run_record("events"),
        which=config["decompose"]["maps"],
    script:
        "../workflow/scripts/atom_maps.py"
