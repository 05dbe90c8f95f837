"""The kernels of a build, and a post that calls each of them: so that they are compiled before the workers start."""

import bz2
import io

import numpy as np
import pyarrow as pa

from socorpus.corpus import arrays
from socorpus.corpus.config import Documents, Near
from socorpus.corpus.dedup import exact, lsh
from socorpus.corpus.documents import build as documents_build
from socorpus.corpus.dump import xml_rows
from socorpus.corpus.dump.compression import bzip2
from socorpus.corpus.dump.rows import typed_columns
from socorpus.corpus.engine.compiling import compile_everywhere
from socorpus.corpus.engine.executor import Engine
from socorpus.corpus.shards import rows
from socorpus.corpus.signals import statistics
from socorpus.corpus.tokenizer import bpe

STAGE = "compile"
KERNELS = (
    "socorpus.corpus.dedup.components",
    "socorpus.corpus.dedup.exact",
    "socorpus.corpus.dedup.lsh",
    "socorpus.corpus.dedup.minhash",
    "socorpus.corpus.dedup.shingle_kernel",
    "socorpus.corpus.dedup.telling",
    "socorpus.corpus.documents.html_kernel",
    "socorpus.corpus.documents.markdown",
    "socorpus.corpus.dump.compression.bzip2",
    "socorpus.corpus.dump.rows.typed_columns",
    "socorpus.corpus.dump.xml_kernel",
    "socorpus.corpus.shards.rows",
    "socorpus.corpus.tokenizer.pretokenize",
    "socorpus.corpus.words.kernel",
)
"""Modules with kernels that a build calls."""

_TEXT = "a loop that never ends in a program that nobody reads any more " * 2
_POSTS = f"""<posts>
<row Id="1" PostTypeId="1" CreationDate="2020-01-01T00:00:00.000" Title="A title" Tags="&lt;a&gt;"
 Body="&lt;p&gt;{_TEXT}&lt;/p&gt;&lt;pre&gt;&lt;code&gt;{_TEXT}&lt;/code&gt;&lt;/pre&gt;" />
<row Id="2" PostTypeId="2" ParentId="1" CreationDate="2020-01-01T00:00:00.000" Body="&lt;p&gt;{_TEXT}&lt;/p&gt;" />
</posts>"""
_COMMENTS = """<comments>
<row Id="1" PostId="1" Score="0" Text="A comment" CreationDate="2020-01-01T00:00:00.000" />
</comments>"""


def warm_up(engine: Engine) -> None:
    """Compile the kernels of a build, once after an install; some milliseconds where that is done."""
    compile_everywhere(engine, STAGE, KERNELS, call)


def call() -> None:
    """Call every kernel as a build does."""
    list(bzip2.decode(io.BytesIO(bz2.compress(_TEXT.encode())), 2))
    documents = documents_build.build(
        _rows("posts", _POSTS),
        _rows("comments", _COMMENTS),
        None,
        None,
        site="example",
        host="example.com",
        config=Documents(),
    )
    exact.text_hashes(documents)
    statistics.find(documents)
    near, edges = Near(), lsh.document_ids(0, 2).reshape(1, 2)
    for form in lsh.FORMS.values():
        lsh.fingerprints(documents, 0, near, form)
        sets = lsh.shingle_table(documents, 0, near, form, np.unique(edges))
        lsh.verify(edges, sets)
        lsh.alike(edges, sets, near)
    lsh.portions(edges)
    bpe.encode(bpe.train([_TEXT], 300), documents["text"])
    data, bounds = arrays.utf8(documents["text"])
    typed_columns.signs(arrays.readonly(data))
    rows.byte_places(arrays.readonly(data), bounds, np.zeros(1, np.int64), np.zeros((1, 2), np.int64))


def _rows(table: str, source: str) -> pa.Table:
    read = xml_rows.read(io.BytesIO(source.encode()), table=table, site="example", file="an example")
    return pa.concat_tables([some.batch for some in read])
