"""Data sets: image features and knowledge graphs with seen and unseen classes or relations."""

from __future__ import annotations

from kgzsl.datasets.candidates import candidates_by_tail_type, nell_type
from kgzsl.datasets.downloads import DatasetCheck, DatasetStatus, check, download, status
from kgzsl.datasets.filter_index import FilterIndex
from kgzsl.datasets.image_features import ImageFeatures
from kgzsl.datasets.kg_packed import pack_triples
from kgzsl.datasets.kg_split import KGSplit
from kgzsl.datasets.pack import export_xlsa17, pack
from kgzsl.datasets.registry import Known, data_dir, known, load, names, ontology_path

__all__ = [
    "DatasetCheck",
    "DatasetStatus",
    "FilterIndex",
    "ImageFeatures",
    "KGSplit",
    "Known",
    "candidates_by_tail_type",
    "check",
    "data_dir",
    "download",
    "export_xlsa17",
    "known",
    "load",
    "names",
    "nell_type",
    "ontology_path",
    "pack",
    "pack_triples",
    "status",
]
