"""The tables of a report: each section's numbers as HTML."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from html import escape
from pathlib import PureWindowsPath
from typing import TYPE_CHECKING, Any

from element_facerhythm.files.sizes import human_size
from element_facerhythm.parameters import as_open
from element_facerhythm.parameters.quality import FLAGGED_BELOW
from element_facerhythm.parameters.recorded import leaves
from element_facerhythm.report.html import Html, bullets, facts, folded, table

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from element_facerhythm.figures.component_panels import ComponentPanels
    from element_facerhythm.pipeline.records import ModelSummary, Verdict
    from element_facerhythm.report.facts import ProjectFacts

_MOST_GAPS = 20


def recording_html(of: ProjectFacts) -> str:
    """Return what was recorded: the frames, their clock, and where they are missing."""
    summary, (width, height) = of.summary, of.frame_size_px
    seconds = sum(video.duration_s for video in summary.videos)
    general = facts(
        [
            ("duration", f"{seconds:.4g} s"),
            ("frame rate", f"{summary.frame_rate_hz:.6g} Hz"),
            ("frame size", f"{width} × {height} px"),
            ("points", summary.n_points),
            ("frequencies", _range_hz(summary.frequencies_hz)),
        ]
    )
    columns = (
        "video", "frames", "duration (s)", "rate (Hz)", "times from", "jitter (ms)",
        "dropped frames", "gaps", "flagged (%)", "held", "dark", "frozen", "windows",
    )  # fmt: skip
    rows = [
        (
            video.file_name, video.n_frames, video.duration_s, clock.frame_rate_hz, clock.source,
            1000 * clock.jitter_s, video.n_dropped_frames, len(clock.pauses),
            100 * video.violation_fraction, video.n_held_frames, video.n_dark_frames,
            video.n_frozen_frames, video.n_windows,
        )
        for video, clock in zip(summary.videos, of.clocks, strict=True)
    ]  # fmt: skip
    gaps = list(_gaps(of))
    listed = bullets(gaps[:_MOST_GAPS]) if gaps else "<p>No gaps in the times of the frames.</p>"
    more = f"<p>and {len(gaps) - _MOST_GAPS} more</p>" if len(gaps) > _MOST_GAPS else ""
    return general + table(columns, rows) + listed + more


def _range_hz(frequencies_hz: NDArray[Any]) -> str:
    return f"{len(frequencies_hz)}, {frequencies_hz[0]:.3g} to {frequencies_hz[-1]:.3g} Hz"


def _gaps(of: ProjectFacts) -> Iterator[str]:
    for video, clock in zip(of.summary.videos, of.clocks, strict=True):
        for gap in clock.pauses:
            yield f"{gap.seconds:.3g} s without frames after frame {gap.after_frame} of {video.file_name}"


def quality_html(of: ProjectFacts) -> str:
    """Return the verdicts with what was measured, the limits, and what to do."""
    return table(
        ("verdict", "check", "measured", "warns", "red", "what was found"),
        [_verdict_row(of, verdict) for verdict in of.summary.quality],
        caption="Limits are those that the project was run with.",
    )


def _verdict_row(of: ProjectFacts, verdict: Verdict) -> tuple[Any, ...]:
    warn, red = getattr(of.limits, verdict.name)
    side = "below" if verdict.name in FLAGGED_BELOW else "above"
    mark = Html(f'<span class="verdict {verdict.verdict}">{escape(verdict.verdict)}</span>')
    limits = (None if limit is None else f"{side} {limit:g}" for limit in (warn, red))
    return (mark, verdict.name, verdict.value, *limits, verdict.message)


def component_html(model: ModelSummary, panels: Sequence[ComponentPanels] | None) -> str:
    """Return the numbers of the components of a model.

    Parameters
    ----------
    model
        In numbers.
    panels
        What is drawn of the same components, for their half-power bands; None where nothing can be drawn.
    """
    of_model = facts(
        [
            ("method", model.method),
            ("components", model.rank),
            ("explained variance", f"{100 * model.explained_variance:.2f} %"),
            ("R squared", model.r_squared),
            ("mean stability", model.stability),
            ("iterations", model.n_iterations),
        ]
    )
    columns = (
        "component", "peak (Hz)", "half power from", "to (Hz)", "mean (Hz)", "bandwidth (Hz)",
        "explained variance", "squared correlation", "stability", "x (px)", "y (px)",
        "share along x", "weight",
    )  # fmt: skip
    rows = []
    for own in model.components:
        band = (None, None) if panels is None else panels[own.component_index].half_power_hz
        rows.append(
            (
                own.component_index, own.peak_frequency_hz, *band, own.centroid_frequency_hz,
                own.bandwidth_hz, own.explained_variance, own.squared_correlation, own.stability,
                own.centroid_x_px, own.centroid_y_px, own.xy_ratio, own.weight,
            )
        )  # fmt: skip
    return of_model + table(columns, rows)


def parameter_html(of: ProjectFacts) -> str:
    """Return every parameter by section, those that were fitted with the reason."""
    if of.record.parameters is None:
        return "<p>The project does not say with what parameters it was made.</p>"
    known = as_open(of.record.parameters)
    unknown = set(known.unknown_names)
    reasons = {fitted.name: fitted.reason for fitted in of.record.parameters_fitted}
    values = leaves(known.to_tree())
    fitted = [(name, _value(values.get(name)), reason) for name, reason in reasons.items()]
    parts = []
    if fitted:
        columns = ("parameter", "value", "why")
        parts.append(table(columns, fitted, caption="Fitted to the recording"))
    by_section: dict[str, list[tuple[str, Any, str]]] = {}
    for name, value in values.items():
        shown = "not recorded" if name in unknown else _value(value)
        by_section.setdefault(name.partition(".")[0], []).append(
            (name, shown, reasons.get(name, ""))
        )
    parts += [
        folded(f"{section} ({len(rows)})", table(("parameter", "value", "fitted because"), rows))
        for section, rows in by_section.items()
    ]
    return "".join(parts)


def _value(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def stage_html(of: ProjectFacts) -> str:
    """Return versions, device, and the time that each stage took."""
    record = of.record
    general = facts(
        [
            ("layout", record.layout),
            ("device", record.device),
            *({"element-facerhythm": of.package_version} | record.versions).items(),
        ]
    )
    rows = [(s.name, s.seconds, s.completed_utc, s.device, s.version) for s in record.stages]
    return general + table(("stage", "seconds", "completed (UTC)", "device", "version"), rows)


def digest_html(of: ProjectFacts) -> str:
    """Return the digests of videos, parameters and products."""
    paths = of.project.video_paths
    rows: list[tuple[Any, ...]] = [
        ("video", PureWindowsPath(path).name, None, None, _digest(sha256))
        for path, sha256 in zip(paths, of.video_sha256, strict=True)
    ]
    if of.record.parameters is not None:
        sha256 = as_open(of.record.parameters).sha256()
        rows.append(("parameters", "all of them", None, None, _digest(sha256)))
    rows += [
        ("product", p.path.name, human_size(p.size_bytes), p.layout, _digest(p.sha256))
        for p in of.record.products
    ]
    return table(("", "file", "size", "layout", "SHA-256"), rows)


def _digest(sha256: str | None) -> Html | None:
    return None if sha256 is None else Html(f'<span class="digest">{escape(sha256)}</span>')


def region_html(of: ProjectFacts) -> str:
    """Return the coordinates of the regions."""
    parts = []
    for kind, polygons, labels in (
        ("points are seeded in", of.rois.seed_polygons, of.rois.seed_labels),
        ("seen by the tracker", of.rois.mask_polygons, of.rois.mask_labels),
    ):
        for i, polygon in enumerate(polygons):
            vertices = "  ".join(f"({x:.1f}, {y:.1f})" for x, y in polygon)
            label = labels[i].name if i < len(labels) and labels[i].name else f"polygon {i}"
            parts.append((kind, label, len(polygon), vertices))
    if not parts:
        return "<p>The regions are stored as masks, without polygons.</p>"
    rows = table(("", "region", "vertices", "(x, y) in px, y down"), parts)
    return folded("Coordinates of the regions", rows)


def comparison_html(projects: Sequence[ProjectFacts]) -> str:
    """Return a row per project: its size, its quality, and the rhythms found."""
    columns = (
        "recording", "frames", "duration (s)", "rate (Hz)", "points", "flagged (%)", "red", "warn",
        "components", "explained variance", "R squared", "mean stability", "peaks (Hz)",
    )  # fmt: skip
    return table(columns, [_compared(i, of) for i, of in enumerate(projects)])


def _compared(index: int, of: ProjectFacts) -> tuple[Any, ...]:
    summary = of.summary
    frames = sum(video.n_frames for video in summary.videos)
    flagged = sum(video.n_violations for video in summary.videos) / (frames * summary.n_points)
    verdicts = [verdict.verdict for verdict in summary.quality]
    model = summary.models[0]
    peaks = "; ".join(
        ", ".join(f"{own.peak_frequency_hz:.1f}" for own in one.components)
        for one in summary.models
    )
    return (
        Html(f'<a href="#{anchor(index)}">{escape(of.title)}</a>'), frames,
        sum(video.duration_s for video in summary.videos), summary.frame_rate_hz,
        summary.n_points, 100 * flagged, verdicts.count("red"), verdicts.count("warn"),
        model.rank, model.explained_variance, model.r_squared, model.stability, peaks,
    )  # fmt: skip


def anchor(index: int) -> str:
    """Return what a link to the project of this number leads to."""
    return f"project-{index}"
