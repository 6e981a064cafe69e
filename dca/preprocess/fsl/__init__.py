"""Backend ``fsl``: the steps of FEAT and of the HCP pipelines, each one FSL program called through nipype."""
