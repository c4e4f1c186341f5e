"""How the documentation is built: ``make docs``."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

import kgzsl

project = "kgzsl"
author = "the kgzsl authors"
copyright = "the kgzsl authors, Apache-2.0"  # noqa: A001
release = kgzsl.__version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "kgzsl_pages",
]
exclude_patterns = ["_build", "_ext", "README.md"]
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints = "none"  # signatures carry them
autodoc_class_signature = "mixed"
napoleon_numpy_docstring = False
napoleon_use_rtype = False
napoleon_use_ivar = True  # attributes are a list, not objects of their own beside the properties
suppress_warnings = ["ref.python"]

html_theme = "furo"
html_title = "kgzsl"
html_copy_source = False
