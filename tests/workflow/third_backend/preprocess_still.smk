from dca.jobs import job
from dca.preprocess.backends import still


rule keep_still:
    input:
        bold=bold_file,
    output:
        bold=step_image("motion"),
        mask=result("preprocess/{run_id}/mask.nii.gz"),
        mean=result("preprocess/{run_id}/mean.nii.gz"),
        parameters=result("preprocess/{run_id}/motion.tsv"),
        record=temp(result("preprocess/{run_id}/motion.step.json")),
        mask_record=temp(result("preprocess/{run_id}/mask.step.json")),
    log:
        log_file("preprocess/{run_id}.still"),
    group:
        "preprocess"
    resources:
        mem_mb=mem_mb(1000, 4),
        runtime=runtime(5, 20),
    run:
        with job(log[0], threads):
            still.preprocess(input.bold, *output)
