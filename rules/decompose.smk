# Sparse dictionaries of signals (raw) and of features (dca), and maps of their atoms.


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
    script:
        "../workflow/scripts/decompose.py"


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
