"""Make the weights of the entities' judge (`labeling/tasks/entities/weights.npz`) from the public training file.

Source: train.txt of the StackOverflow NER corpus (Tabassum et al. 2020, https://github.com/jeniyat/StackOverflowNER,
MIT licence). The file holds hashes of features and weights: no text of the corpus. The same file gives the same bytes.

python benchmarks/entities_weights.py [--data PATH]
"""

import argparse
import hashlib
import os
from pathlib import Path

from socorpus.labeling.tasks.entities import learned
from socorpus.labeling.tasks.entities import task as entities_task

SOURCE = "https://github.com/jeniyat/StackOverflowNER, train.txt (Tabassum et al. 2020)"
LICENCE = "MIT, see weights.LICENSE"


def main() -> None:
    """Writes the file and prints its size."""
    parser = argparse.ArgumentParser(description=__doc__)
    root = Path(os.environ.get("SOCORPUS_REAL_DATA", Path(__file__).resolve().parents[2] / "shared"))
    parser.add_argument("--data", type=Path, default=root)
    path = parser.parse_args().data / "benchmarks" / "ner" / "train.txt"
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    model = entities_task.learn(path)
    model.save(learned.DATA, {"source": SOURCE, "licence": LICENCE, "sha256": digest})
    print(f"{learned.DATA}: {learned.DATA.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
