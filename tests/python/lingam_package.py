"""The Python package lingam, as far as DirectLiNGAM: installed alone (launch/python/test-alone.txt), without the drawing
and modelling packages that its other methods import.
"""
import importlib
import importlib.util
import sys
import types
from pathlib import Path
from unittest.mock import MagicMock

UNUSED = ("graphviz", "semopy", "igraph", "pygam", "psy", "autograd", "autograd.numpy", "factor_analyzer", "networkx",
          "statsmodels", "statsmodels.tsa", "statsmodels.tsa.vector_ar", "statsmodels.tsa.vector_ar.var_model",
          "statsmodels.nonparametric", "statsmodels.nonparametric.bandwidths")


def direct_lingam_class():
    """lingam.DirectLiNGAM. What is only imported for other methods is replaced where it isn't installed."""
    spec = importlib.util.find_spec("lingam")
    if spec is None:
        sys.exit("the Python package lingam is missing: run launch/setup --tests")
    replaced = []
    for name in UNUSED:
        try:
            importlib.import_module(name)
        except ImportError:
            sys.modules[name] = MagicMock()
            replaced.append(name)
    module = types.ModuleType("lingam")  # without its __init__, which imports every method
    module.__path__ = [str(Path(spec.origin).parent)]
    sys.modules["lingam"] = module
    found = importlib.import_module("lingam.direct_lingam").DirectLiNGAM
    for name in replaced:
        del sys.modules[name]
    return found
