"""Tensor component analysis of spectrograms: named axes, CP fits, and what components mean."""

from element_facerhythm.core.decomposition.axes import (
    SPECTROGRAM_AXES,
    AxisPlan,
    axis_parts,
)
from element_facerhythm.core.decomposition.block_tensor import BlockTensor, dense_tensor
from element_facerhythm.core.decomposition.components import (
    ComponentMatch,
    ComponentSummary,
    describe,
    match_components,
    summarise_components,
)
from element_facerhythm.core.decomposition.cp import METHOD_OPTIONS, largest_rank
from element_facerhythm.core.decomposition.decompose import (
    decompose,
    evaluate_factors,
)
from element_facerhythm.core.decomposition.model import CpModel, Decomposition
from element_facerhythm.core.decomposition.prepare import Prepared, prepare_tensors
from element_facerhythm.core.decomposition.quality import model_from_factors, order_components
from element_facerhythm.core.decomposition.rank_sweep import RankFit, sweep_ranks
from element_facerhythm.core.decomposition.rearrange import Rearranged, rearrange
from element_facerhythm.core.decomposition.undo import undo_factors

__all__ = [
    "METHOD_OPTIONS",
    "SPECTROGRAM_AXES",
    "AxisPlan",
    "BlockTensor",
    "ComponentMatch",
    "ComponentSummary",
    "CpModel",
    "Decomposition",
    "Prepared",
    "RankFit",
    "Rearranged",
    "axis_parts",
    "decompose",
    "dense_tensor",
    "describe",
    "evaluate_factors",
    "largest_rank",
    "match_components",
    "model_from_factors",
    "order_components",
    "prepare_tensors",
    "rearrange",
    "summarise_components",
    "sweep_ranks",
    "undo_factors",
]
