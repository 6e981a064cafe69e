"""Print a table of benchmarks/results as Markdown, for the docs.

python benchmarks/table.py benchmarks/results/motion.tsv [--columns voxel_mm amplitude method mm deg]
"""

import argparse
from pathlib import Path

from dca.files import read_tsv


def markdown(path: str | Path, columns: list[str] | None = None) -> str:
    """Render a TSV, numbers as they stand in it, as a Markdown table."""
    table = read_tsv(path, dtype=str)[columns or slice(None)]
    rows = [list(table.columns), ["---"] * table.shape[1], *table.fillna("").values.tolist()]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def main() -> None:
    """Print one table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("tsv", type=Path)
    parser.add_argument("--columns", nargs="+")
    options = parser.parse_args()
    print(markdown(options.tsv, options.columns))


if __name__ == "__main__":
    main()
