# The hidden layer's states of every voxel, and how well the model reconstructs some of them.


# A dictionary of all training runs lies between their features and what follows from it.
ENCODE_GROUP = "features" if "dca-group" in SETUPS else "dca"


rule encode:
    input:
        **MODEL,
        shard=result("signals/{run_id}.h5"),
    output:
        features=result("features/{run_id}.h5"),
        examples=result("features/{run_id}_reconstruction.tsv"),
        places=result("features/{run_id}_reconstruction.json"),
    log:
        log_file("features/{run_id}"),
    benchmark:
        benchmark_file("features/{run_id}")
    group:
        ENCODE_GROUP
    conda:
        "../envs/dca.yaml"
    threads: 1
    resources:
        mem_mb=mem_mb(2000),
        runtime=runtime(5, 90),
    params:
        storage=config["encode"]["storage"],
    script:
        "../workflow/scripts/features.py"


rule denoise:
    input:
        **MODEL,
        shard=result("signals/{run_id}.h5"),
    output:
        image=result("features/{run_id}_denoised.nii.gz"),
    log:
        log_file("features/{run_id}_denoised"),
    benchmark:
        benchmark_file("features/{run_id}_denoised")
    group:
        "dca"
    conda:
        "../envs/dca.yaml"
    threads: 1
    resources:
        mem_mb=mem_mb(2000, 8),
        runtime=runtime(5, 180),
    script:
        "../workflow/scripts/denoise.py"
