"""Class priors and seen features in, synthetic features of any class out."""

from kgzsl.generators.base import FeatureGenerator
from kgzsl.generators.health import CollapseWarning
from kgzsl.generators.linear import LinearGenerator
from kgzsl.generators.registry import generators, make
from kgzsl.generators.scaling import FeatureScaler
from kgzsl.generators.wgan import WGAN

__all__ = ["WGAN", "CollapseWarning", "FeatureGenerator", "FeatureScaler", "LinearGenerator", "generators", "make"]
