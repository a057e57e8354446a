"""Tensor component analysis of spectrograms: named axes, CP fits, and what components mean."""

from element_facerhythm.core.decomposition.axes import AxisPlan
from element_facerhythm.core.decomposition.block_tensor import BlockTensor, dense_tensor
from element_facerhythm.core.decomposition.components import (
    ComponentMatch,
    ComponentSummary,
    describe,
    match_components,
    peak_frequencies_hz,
    summarise_components,
)
from element_facerhythm.core.decomposition.cp import largest_rank
from element_facerhythm.core.decomposition.decompose import (
    decompose,
    evaluate_factors,
)
from element_facerhythm.core.decomposition.model import CpModel, Decomposition
from element_facerhythm.core.decomposition.prepare import Prepared, prepare_tensors
from element_facerhythm.core.decomposition.quality import model_from_factors, order_components
from element_facerhythm.core.decomposition.rank_sweep import RankFit, sweep_ranks
from element_facerhythm.core.decomposition.rearrange import Rearranged, rearrange
from element_facerhythm.core.decomposition.settings import FitSettings, TensorScaling
from element_facerhythm.core.decomposition.undo import undo_factors

__all__ = [
    "AxisPlan",
    "BlockTensor",
    "ComponentMatch",
    "ComponentSummary",
    "CpModel",
    "Decomposition",
    "FitSettings",
    "TensorScaling",
    "Prepared",
    "RankFit",
    "Rearranged",
    "decompose",
    "dense_tensor",
    "describe",
    "evaluate_factors",
    "largest_rank",
    "match_components",
    "model_from_factors",
    "order_components",
    "peak_frequencies_hz",
    "prepare_tensors",
    "rearrange",
    "summarise_components",
    "sweep_ranks",
    "undo_factors",
]
