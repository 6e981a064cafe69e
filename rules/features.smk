# The hidden layer's states of every voxel.


rule encode:
    input:
        shard=result("signals/{run_id}.h5"),
        card=result("train/model/card.json"),
        weights=result("train/model/model.weights.h5"),
    output:
        features=result("features/{run_id}.h5"),
    log:
        log_file("features/{run_id}"),
    benchmark:
        benchmark_file("features/{run_id}")
    group:
        "dca"
    conda:
        "../envs/dca.yaml"
    threads: 1
    resources:
        mem_mb=mem_mb(2000),
        runtime=runtime(5, 90),
    script:
        "../workflow/scripts/features.py"
