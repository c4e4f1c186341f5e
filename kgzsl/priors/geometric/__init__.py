"""Geometric priors: ontologies as balls, boxes, and points of hyperbolic space."""

from kgzsl.priors.geometric.axioms import Axioms
from kgzsl.priors.geometric.balls import BallModel
from kgzsl.priors.geometric.box2el import Box2EL
from kgzsl.priors.geometric.boxes import BoxModel
from kgzsl.priors.geometric.elem import ELEm
from kgzsl.priors.geometric.encoder import GeometricEncoder
from kgzsl.priors.geometric.hyperbolic import PoincareLoop, PoincareModel, poincare_distance
from kgzsl.priors.geometric.model import GeometricModel
from kgzsl.priors.geometric.poincare import Poincare
from kgzsl.priors.geometric.subsumption import SubsumptionResult
from kgzsl.priors.geometric.training import AxiomLoop, AxiomOptions

__all__ = [
    "AxiomLoop",
    "AxiomOptions",
    "Axioms",
    "BallModel",
    "Box2EL",
    "BoxModel",
    "ELEm",
    "GeometricEncoder",
    "GeometricModel",
    "Poincare",
    "PoincareLoop",
    "PoincareModel",
    "SubsumptionResult",
    "poincare_distance",
]
