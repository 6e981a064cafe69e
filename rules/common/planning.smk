# Snakemake 9 works out the parameters of an input or resource function anew each time that it calls it: a
# tenth of the time that planning a large study takes.
import functools

from snakemake import common as snakemake_common
from snakemake import rules as snakemake_rules

snakemake_common.get_function_params = functools.cache(snakemake_common.get_function_params)
snakemake_rules.get_function_params = snakemake_common.get_function_params
