"""croissant.json: what a published folder holds, in MLCommons' vocabulary Croissant 1.0 (JSON-LD).

Files are named by patterns relative to the folder, so that it may lie anywhere; `mlcroissant` reads its tables from it.
Source: the format's specification 1.0, and the checks of mlcroissant 1.1.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pyarrow as pa

from socorpus.labeling.publishing import file_formats
from socorpus.labeling.publishing.published_tables import PublishedTable

NAME = "croissant.json"

_CONTEXT = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "arrayShape": "cr:arrayShape",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "containedIn": "cr:containedIn",
    "cr": "http://mlcommons.org/croissant/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataBiases": "cr:dataBiases",
    "dataCollection": "cr:dataCollection",
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileObject": "cr:fileObject",
    "fileProperty": "cr:fileProperty",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isArray": "cr:isArray",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "personalSensitiveInformation": "cr:personalSensitiveInformation",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}
_ENCODINGS = {
    file_formats.PARQUET: "application/x-parquet",
    file_formats.JSONL: "application/jsonlines",
    file_formats.ZST: "application/zstd",
}


def document(
    title: str,
    about: str,
    url: str,
    licenses: Sequence[str],
    citation: str,
    creators: Iterable[str],
    version: str,
    tables: Mapping[str, PublishedTable],
    form: str,
) -> dict[str, Any]:
    """The JSON-LD of a published folder.

    Args:
        url: an address of the data set, or of where it is from.
        licenses: addresses of the licences.
        tables: those that have rows.
        form: of the files. Record sets are described of Parquet, whose columns have types.
    """
    columned = form == file_formats.PARQUET
    return {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "name": title,
        "description": about,
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "citeAs": citation,
        "url": url,
        "license": list(licenses),
        "creator": [{"@type": "sc:Organization", "name": name} for name in creators],
        "version": version,
        "inLanguage": "en",
        "isLiveDataset": False,
        "distribution": [_files(table, form) for table in tables.values()] if form in _ENCODINGS else [],
        "recordSet": [_records(table) for table in tables.values()] if columned else [],
    }


def _files(table: PublishedTable, form: str) -> dict[str, Any]:
    return {
        "@type": "cr:FileSet",
        "@id": f"{table.name}-files",
        "name": f"{table.name}-files",
        "description": f"Files of {table.name}: each row is {table.says}.",
        "encodingFormat": _ENCODINGS[form],
        "includes": f"{table.folder}/*{file_formats.suffix(form)}",
    }


def _records(table: PublishedTable) -> dict[str, Any]:
    fields = [_field(table, column) for column in table.columns]
    return {
        "@type": "cr:RecordSet",
        "@id": table.name,
        "name": table.name,
        "description": f"Each row is {table.says}. {table.rule}",
        "field": fields,
    }


def _field(table: PublishedTable, column: pa.Field) -> dict[str, Any]:
    name, kind = f"{table.name}/{column.name}", column.type
    field: dict[str, Any] = {
        "@type": "cr:Field",
        "@id": name,
        "name": name,
        "description": table.meanings[column.name],
    }
    source = {"fileSet": {"@id": f"{table.name}-files"}, "extract": {"column": column.name}}
    if pa.types.is_list(kind):
        field["repeated"] = True
        kind = kind.value_type
    if pa.types.is_struct(kind):
        parts = (kind[number] for number in range(kind.num_fields))
        field["subField"] = [
            {
                "@type": "cr:Field",
                "@id": f"{name}/{part.name}",
                "name": f"{name}/{part.name}",
                "dataType": _type(part.type),
                "source": {**source, "transform": {"jsonPath": part.name}},
            }
            for part in parts
        ]
        return field
    return {**field, "dataType": _type(kind), "source": source}


def _type(kind: pa.DataType) -> str:
    if pa.types.is_boolean(kind):
        return "sc:Boolean"
    if pa.types.is_integer(kind):
        return "sc:Integer"
    if pa.types.is_floating(kind):
        return "sc:Float"
    return "sc:DateTime" if pa.types.is_timestamp(kind) else "sc:Text"
