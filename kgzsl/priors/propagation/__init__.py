"""Propagation over the class graph: SGC, GCN, DGP."""

from kgzsl.priors.propagation.dgp import DGP
from kgzsl.priors.propagation.encoder import PropagationEncoder
from kgzsl.priors.propagation.gcn import GCN
from kgzsl.priors.propagation.needed_rows import NeededRows
from kgzsl.priors.propagation.network import PropagationLayer, PropagationNetwork
from kgzsl.priors.propagation.operator import GraphOperator
from kgzsl.priors.propagation.regression import RegressionLoop, RegressionOptions
from kgzsl.priors.propagation.sgc import SGC, smooth
from kgzsl.priors.propagation.sparse_product import SparseProduct

__all__ = [
    "DGP",
    "GCN",
    "SGC",
    "GraphOperator",
    "NeededRows",
    "PropagationEncoder",
    "PropagationLayer",
    "PropagationNetwork",
    "RegressionLoop",
    "RegressionOptions",
    "SparseProduct",
    "smooth",
]
