"""Reviews of the kind that the bundled base model was trained on, with a closing line that it has not seen.

The answers' wording is drawn at random, so a run on them ends near a loss that cannot be lowered, on any base.
"""

import csv
import pathlib
import random
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "samples" / "models"))
sys.dont_write_bytecode = True

import base_text  # noqa: E402  (the path is set above)


def main() -> None:
    rng = random.Random(7)
    path = ROOT / "tests" / "fixtures" / "training" / "reviews.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(["input", "output"])
        for _ in range(80):
            fields = base_text.employee(rng)
            rows.writerow([base_text.field_line(fields, rng), base_text.review(fields, rng) + "以上供参考。"])


if __name__ == "__main__":
    main()
