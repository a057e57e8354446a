"""The stage that writes FacialSignal.h5: beside the tracking where that runs, else by itself."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import h5py

from element_facerhythm.core.motion import SignalRecorder, StreamedSvd
from element_facerhythm.io.facial_signals import write_facial_signals
from element_facerhythm.io.scratch import scratch_in
from element_facerhythm.parameters.signals import DECOMPOSED
from element_facerhythm.pipeline.records import SIGNAL_STAGE, Progress
from element_facerhythm.pipeline.run.check import CheckedRequest
from element_facerhythm.pipeline.run.signal_feed import SignalFeed
from element_facerhythm.pipeline.run.signal_settings import following_frames
from element_facerhythm.pipeline.run.tracking_stage import frame_opener


@contextmanager
def new_feed(checked: CheckedRequest, folder: Path) -> Iterator[SignalFeed]:
    """Yield a feed with a recorder for the signals of a request.

    Parameters
    ----------
    checked
        The request, which asks for signals.
    folder
        Where there is room for projections until they are written.

    Raises
    ------
    OSError
        There is no room for them.
    """
    assert checked.signals is not None
    follows = following_frames(checked.sequences)
    with scratch_in(folder) as new_rows:
        recorder = SignalRecorder(checked.signals, new_rows)
        with SignalFeed(recorder, checked.n_frames, follows) as feed:
            yield feed


def run_signals(
    checked: CheckedRequest, feed: SignalFeed, file: h5py.File, folder: Path, progress: Progress
) -> None:
    """Read the frames that have not passed, and fill FacialSignal.h5.

    Parameters
    ----------
    checked
        The request.
    feed
        Which the tracking may have handed frames to.
    file
        The product.
    folder
        As of `new_feed`.
    progress
        Where it is reported.
    """
    assert checked.signals is not None
    openers = [frame_opener(sequence) for sequence in checked.sequences]
    decomposes = not set(DECOMPOSED).isdisjoint(checked.signals.signals)
    is_exact = checked.parameters.FacialSignal.exact and decomposes
    n_frames = checked.signals.n_frames
    total = n_frames * (2 if is_exact else 1)
    with ExitStack() as stack, progress.stage(SIGNAL_STAGE, total, "frames") as advance:
        recorder = feed.complete(openers, advance)
        decompositions: dict[tuple[int, str], StreamedSvd] = recorder.decompositions
        if is_exact:
            bases = {key: svd.basis() for key, svd in decompositions.items() if svd.n_frames}
            new_rows = stack.enter_context(scratch_in(folder))
            again = SignalRecorder(checked.signals, new_rows, bases)
            follows = following_frames(checked.sequences)
            with SignalFeed(again, checked.n_frames, follows) as second:
                second.complete(openers, lambda n: advance(n_frames + n))
            decompositions = again.decompositions
        videos = [part.n_frames for sequence in checked.sequences for part in sequence.parts]
        write_facial_signals(file, recorder, decompositions, videos)
