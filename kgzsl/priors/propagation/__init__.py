"""Propagation over the class graph: SGC, GCN, DGP, GAT, R-GCN, CompGCN, TrGCN."""

from kgzsl.priors.propagation.compgcn import CompGCN
from kgzsl.priors.propagation.composition import CompositionLayer, CompositionNetwork
from kgzsl.priors.propagation.dgp import DGP
from kgzsl.priors.propagation.edge_sum import EdgePattern
from kgzsl.priors.propagation.encoder import PropagationEncoder
from kgzsl.priors.propagation.gat import GAT, AttentionLayer
from kgzsl.priors.propagation.gcn import GCN
from kgzsl.priors.propagation.needed_rows import NeededRows
from kgzsl.priors.propagation.network import PropagationLayer, PropagationNetwork
from kgzsl.priors.propagation.operator import GraphOperator
from kgzsl.priors.propagation.regression import RegressionLoop, RegressionOptions
from kgzsl.priors.propagation.relation_operators import relation_operators
from kgzsl.priors.propagation.rgcn import RGCN, RelationalLayer
from kgzsl.priors.propagation.sgc import SGC, smooth
from kgzsl.priors.propagation.sparse_product import SparseProduct
from kgzsl.priors.propagation.transformer_layer import TransformerLayer
from kgzsl.priors.propagation.trgcn import TrGCN

__all__ = [
    "DGP",
    "GAT",
    "GCN",
    "RGCN",
    "SGC",
    "AttentionLayer",
    "CompGCN",
    "CompositionLayer",
    "CompositionNetwork",
    "EdgePattern",
    "GraphOperator",
    "NeededRows",
    "PropagationEncoder",
    "PropagationLayer",
    "PropagationNetwork",
    "RegressionLoop",
    "RegressionOptions",
    "RelationalLayer",
    "SparseProduct",
    "TrGCN",
    "TransformerLayer",
    "relation_operators",
    "smooth",
]
