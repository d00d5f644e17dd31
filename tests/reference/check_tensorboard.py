"""Usage: check_tensorboard.py RUN_DIR

Reads the event files in RUN_DIR with TensorBoard's own reader and prints {tag: [[step, value], …]}.
"""

import json
import sys

from tensorboard.backend.event_processing.event_accumulator import SCALARS, TENSORS, EventAccumulator
from tensorboard.util.tensor_util import make_ndarray


def main(run_dir: str) -> None:
    # 0 keeps every point; the default samples 10,000 of them.
    events = EventAccumulator(run_dir, size_guidance={SCALARS: 0, TENSORS: 0})
    events.Reload()
    tags = events.Tags()
    points = {tag: [[e.step, e.value] for e in events.Scalars(tag)] for tag in tags["scalars"]}
    for tag in tags["tensors"]:
        points[tag] = [[e.step, float(make_ndarray(e.tensor_proto))] for e in events.Tensors(tag)]
    if not points:
        sys.exit(f"check_tensorboard: no scalars in {run_dir}")
    print(json.dumps(points))


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__.splitlines()[0])
    main(sys.argv[1])
