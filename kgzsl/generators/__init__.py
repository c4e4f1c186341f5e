"""Class priors and seen features in, synthetic features of any class out."""

from kgzsl.generators.base import FeatureGenerator
from kgzsl.generators.cada_vae import CADAVAE
from kgzsl.generators.contrastive import CEGZSL
from kgzsl.generators.cycle_wgan import CycleWGAN
from kgzsl.generators.diffusion import Diffusion
from kgzsl.generators.extrapolation import Extrapolation
from kgzsl.generators.health import CollapseWarning
from kgzsl.generators.linear import LinearGenerator
from kgzsl.generators.lisgan import LisGAN
from kgzsl.generators.registry import generators, make, takes_graph, takes_unlabeled
from kgzsl.generators.scaling import FeatureScaler
from kgzsl.generators.tf_vaegan import TFVAEGAN
from kgzsl.generators.vaegan import VAEGAN
from kgzsl.generators.wgan import WGAN

__all__ = [
    "CADAVAE",
    "CEGZSL",
    "TFVAEGAN",
    "VAEGAN",
    "WGAN",
    "CollapseWarning",
    "CycleWGAN",
    "Diffusion",
    "Extrapolation",
    "FeatureGenerator",
    "FeatureScaler",
    "LinearGenerator",
    "LisGAN",
    "generators",
    "make",
    "takes_graph",
    "takes_unlabeled",
]
