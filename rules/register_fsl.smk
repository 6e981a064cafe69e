# Backend `fsl`: registration of runs to MNI, by way of the T1w image where there is one.


rule strip_anatomy:
    input:
        t1w=lambda wildcards: given_file(ANATOMIES[wildcards.anatomy]),
    output:
        brain=result("preprocess/{anatomy}/brain.nii.gz"),
    log:
        log_file("preprocess/{anatomy}.brain"),
    benchmark:
        benchmark_file("preprocess/{anatomy}.brain")
    group:
        "anatomy"
    conda:
        "../envs/fsl.yaml"
    threads: 1
    resources:
        mem_mb=mem_mb(1500),
        runtime=runtime(15),
    script:
        "../workflow/scripts/fsl_anatomy.py"


rule register_anatomy:
    input:
        brain=result("preprocess/{anatomy}/brain.nii.gz"),
    output:
        matrix=result("preprocess/{anatomy}/t1w2standard.mat"),
    log:
        log_file("preprocess/{anatomy}.standard"),
    benchmark:
        benchmark_file("preprocess/{anatomy}.standard")
    group:
        "anatomy"
    conda:
        "../envs/fsl.yaml"
    threads: 1
    resources:
        mem_mb=mem_mb(1500),
        runtime=runtime(20),
    script:
        "../workflow/scripts/fsl_register_standard.py"


rule warp_anatomy:
    input:
        t1w=lambda wildcards: given_file(ANATOMIES[wildcards.anatomy]),
        matrix=result("preprocess/{anatomy}/t1w2standard.mat"),
    output:
        warp=result("preprocess/{anatomy}/t1w2standard.nii.gz"),
    log:
        log_file("preprocess/{anatomy}.warp"),
    benchmark:
        benchmark_file("preprocess/{anatomy}.warp")
    group:
        "anatomy"
    conda:
        "../envs/fsl.yaml"
    threads: 1
    resources:
        mem_mb=mem_mb(3000),
        runtime=runtime(60),
    script:
        "../workflow/scripts/fsl_warp_anatomy.py"


rule register_epi_to_anatomy:
    input:
        unpack(anatomy_input),
    output:
        matrix=result("preprocess/{run_id}/epi2t1w.mat"),
    log:
        log_file("preprocess/{run_id}.anatomy"),
    benchmark:
        benchmark_file("preprocess/{run_id}.anatomy")
    group:
        "preprocess"
    conda:
        "../envs/fsl.yaml"
    threads: 1
    resources:
        mem_mb=mem_mb(2000),
        runtime=runtime(30),
    params:
        bbr=FSL["bbr"],
    script:
        "../workflow/scripts/fsl_register_anatomy.py"


rule register_epi:
    input:
        brain=result("preprocess/{run_id}/desc-brain_mean.nii.gz"),
    output:
        matrix=result("preprocess/{run_id}/epi2standard.mat"),
    log:
        log_file("preprocess/{run_id}.standard"),
    benchmark:
        benchmark_file("preprocess/{run_id}.standard")
    group:
        "preprocess"
    conda:
        "../envs/fsl.yaml"
    threads: 1
    resources:
        mem_mb=mem_mb(1500),
        runtime=runtime(20),
    script:
        "../workflow/scripts/fsl_register_standard.py"


rule join_registrations:
    input:
        unpack(registration_input),
    output:
        warp=temp(result("preprocess/{run_id}/epi2standard.nii.gz")),
        record=temp(result("preprocess/{run_id}/register.step.json")),
    log:
        log_file("preprocess/{run_id}.register"),
    benchmark:
        benchmark_file("preprocess/{run_id}.register")
    group:
        "preprocess"
    conda:
        "../envs/fsl.yaml"
    threads: 1
    resources:
        mem_mb=mem_mb(1500),
        runtime=runtime(10),
    script:
        "../workflow/scripts/fsl_register.py"
