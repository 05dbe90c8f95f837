"""Who wrote what: rows of `published_tables.ATTRIBUTION` of posts and of the comments in their texts.

CC BY-SA asks for the author's name as far as it is given, for the address, the licence, and that changes are told (4.0,
section 3(a)). A name that holds personal data or a secret itself, such as an e-mail address, has a placeholder for it;
the author's address still leads to who it is.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from socorpus.corpus import arrays
from socorpus.corpus.config import Privacy
from socorpus.corpus.documents import author_names
from socorpus.corpus.documents import build as documents_build
from socorpus.corpus.privacy import display
from socorpus.corpus.storage import parquet
from socorpus.labeling.publishing import published_tables

_SUSPICIOUS = r"@|://|\d{5}|\S{20}"
"""What every e-mail address, telephone number, network address with a port, key and token has in it, and few names."""
_COMMENTS = ["comment_id", "post_id", "user_id", "user_display_name", "creation_date", "content_license"]


def cleaned(names: pa.ChunkedArray) -> pa.Array:
    """Names without personal data or secrets in them, string[n]."""
    column = arrays.whole(names)
    some = pc.fill_null(pc.match_substring_regex(column, _SUSPICIOUS), False)
    if not pc.any(some).as_py():
        return column
    distinct = pc.unique(column.filter(some))
    clean = pa.array(display.texts(distinct.to_pylist(), Privacy()), pa.string())
    return pc.replace_with_mask(column, some, clean.take(pc.index_in(column.filter(some), value_set=distinct)))


def without_personal_names(rows: pa.Table) -> pa.Table:
    """Rows whose column `author` is `cleaned`."""
    place = rows.schema.get_field_index("author")
    return rows.set_column(place, rows.schema.field(place), cleaned(rows["author"]))


def of_posts(rows: pa.Table, addresses: Mapping[str, str]) -> pa.Table:
    """The attribution of posts, row for row.

    Args:
        rows: of `published_tables.DOCUMENTS`.
        addresses: base address of each site.
    """
    columns = {name: rows[name] for name in rows.column_names if name in published_tables.ATTRIBUTION.names}
    columns |= {
        "comment_id": pa.nulls(rows.num_rows, pa.int64()),
        "author_url": _author_urls(rows["site"], rows["author_id"], addresses),
    }
    return _table(columns)


def of_comments(tree: Path, bucket: str, site: str, names: Path | None, address: str) -> pa.Table:
    """The attribution of the comments that are in the texts of a bucket's kept documents, in the order of their
    numbers.

    Of the documents only numbers are read.

    Args:
        tree: of the corpus; `bucket` is `SITE/NUMBER-of-OF`.
        names: of the site's users (`author_names.write`); None where the dump has none.
        address: of the site.
    """
    keep = parquet.read(tree / f"decisions/{bucket}.parquet", columns=["post_id", "keep"])
    documents = parquet.read(tree / f"documents/{bucket}.parquet", columns=["post_id", "url", "segments"])
    documents = documents.filter(keep["keep"]).combine_chunks()
    segments, _ = arrays.lists(documents["segments"])
    comments = parquet.read(tree / f"tables/comments/{bucket}.parquet", columns=_COMMENTS)
    inside = pc.is_in(comments["comment_id"], value_set=pc.unique(segments.field("id")))
    place = pc.index_in(comments["post_id"], value_set=documents["post_id"].combine_chunks())
    some = pc.and_(inside, pc.is_valid(place))
    rows = comments.filter(some).append_column("place", place.filter(some)).sort_by("comment_id").combine_chunks()
    # Of rows of the same number the last one counts, as in the documents.
    last = np.r_[np.diff(rows["comment_id"].to_numpy()) > 0, True] if rows.num_rows else np.zeros(0, bool)
    rows = rows.filter(pa.array(last)).combine_chunks()
    author = rows["user_display_name"]
    if names is not None and rows.num_rows:
        known = author_names.of(names, rows["user_id"])
        account = pc.index_in(rows["user_id"], value_set=known["user_id"].combine_chunks(), skip_nulls=True)
        author = pc.coalesce(_filled(author), _filled(known["display_name"].take(account.combine_chunks())))
    sites = pa.chunked_array([pa.array([site] * rows.num_rows, pa.string())])
    return _table(
        {
            "site": sites,
            "post_id": rows["post_id"],
            "comment_id": rows["comment_id"],
            "kind": pa.array(["comment"] * rows.num_rows, pa.string()),
            "created": rows["creation_date"],
            "author": pa.chunked_array([cleaned(author)]),
            "author_id": rows["user_id"],
            "author_url": _author_urls(sites, rows["user_id"], {site: address}),
            "url": documents["url"].take(rows["place"]),
            "license": documents_build.licenses(
                rows["content_license"], rows["creation_date"].cast(pa.int64()).to_numpy()
            ),
        }
    )


def _author_urls(sites: pa.ChunkedArray, users: pa.ChunkedArray, addresses: Mapping[str, str]) -> pa.Array:
    """Addresses of accounts; those of the system (-1 and below) have none."""
    coded = arrays.whole(sites).dictionary_encode()
    bases = pa.array([f"{addresses[name]}/users/" for name in coded.dictionary.to_pylist()], pa.string())
    numbers = arrays.whole(users)
    accounts = pc.if_else(pc.greater(numbers, 0), numbers, pa.scalar(None, pa.int64())).cast(pa.string())
    return pc.binary_join_element_wise(bases.take(coded.indices), accounts, "")


def _filled(names: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.if_else(pc.equal(names, ""), pa.scalar(None, pa.string()), names)


def _table(columns: Mapping[str, pa.Array | pa.ChunkedArray]) -> pa.Table:
    fields = published_tables.ATTRIBUTION
    return pa.table([columns[part.name] for part in fields], schema=fields)
