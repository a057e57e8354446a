"""Signals and rhythms: what moves, opens or widens with which component."""

from typing import TYPE_CHECKING

from element_facerhythm.facial_behavior_estimation.recording import Key
from element_facerhythm.facial_behavior_estimation.results import (
    FacialRhythm,  # noqa: F401  named in the definition
)
from element_facerhythm.facial_behavior_estimation.rows import Product
from element_facerhythm.facial_behavior_estimation.run_products import (
    MadeOfProducts,
    project_of_run,
)
from element_facerhythm.facial_behavior_estimation.schema import dj, schema
from element_facerhythm.facial_behavior_estimation.signals import (
    FacialSignal,  # noqa: F401  named in the definition
)
from element_facerhythm.linking import active_link
from element_facerhythm.pipeline.supervision import supervised

if TYPE_CHECKING:
    from element_facerhythm.pipeline.results.signal_coupling import ComponentSignal


@schema
class SignalRhythm(MadeOfProducts, dj.Computed):
    """Signals and components of the same run, compared."""

    definition = """
    # Recordings whose signals were compared with their components
    -> FacialRhythm
    -> FacialSignal
    ---
    n_signal_pairs : int32 # components x signals compared: of an SVD its first 20 vectors
    """

    class Pair(dj.Part):
        """A component and a signal: whether the signal is high, or swings, when the component is strong."""

        definition = """
        # How signals go with components
        -> master
        -> FacialRhythm.Component
        -> FacialSignal.Region
        coupled_trace     : varchar(16) # which trace of the region, such as 'pupil area'
        coupled_component : int32   # which singular vector, of a trace of several; else 0
        ---
        signal_correlation  : float64 # Spearman's, of loadings and signal, at the best lag; -1 to 1
        signal_lag_s        : float64 # that lag, seconds; positive: the signal follows the component
        signal_p_value=null : float64 # share of circular shifts that correlate as much, for both signs
        signal_q_value=null : float64 # Benjamini-Hochberg over all pairs of the run; null without p
        n_signal_windows    : int32   # windows compared
        index (coupled_trace)
        """

    @supervised
    def make_compute(
        self, key: Key, output_dir: str, products: tuple[Product, ...]
    ) -> tuple[tuple["ComponentSignal", ...]]:
        """Compare, once it is certain that the files are those that were entered.

        Parameters
        ----------
        key
            Primary key of the run.
        output_dir, products
            As `make_fetch` returns them.

        Returns
        -------
        The pairs of a component and a signal that could be compared.

        Raises
        ------
        RequestError
            A product is missing or changed since the run, or the store refuses.
        ProcessingError
            The store does not answer.
        """
        from element_facerhythm.pipeline.results.signal_coupling import couple_signals

        project = project_of_run(output_dir, products)
        return (couple_signals(project, active_link().search_dirs()),)

    def make_insert(self, key: Key, pairs: tuple["ComponentSignal", ...]) -> None:
        """Insert the row and its parts.

        Parameters
        ----------
        key
            Primary key of the run.
        pairs
            As `make_compute` returns them.
        """
        self.insert1({**key, "n_signal_pairs": len(pairs)})
        self.Pair.insert(
            {
                **key,
                "model_key": pair.model_key,
                "component_index": pair.component_index,
                "roi_no": pair.region_index,
                "coupled_trace": pair.trace,
                "coupled_component": pair.trace_component,
                "signal_correlation": pair.coupling.correlation,
                "signal_lag_s": pair.coupling.lag_s,
                "signal_p_value": pair.coupling.p_value,
                "signal_q_value": pair.q_value,
                "n_signal_windows": pair.coupling.n_compared_windows,
            }
            for pair in pairs
        )
