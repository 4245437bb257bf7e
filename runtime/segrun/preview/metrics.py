"""A run's account in Prometheus' text format, and the sink that serves it without a picture: `seg-run --metrics`."""

from collections.abc import Callable, Iterator

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from segdata.video.picture import Picture
from segrun.counters import Counters
from segrun.frame import Segmented
from segrun.preview.server import Server
from segrun.sinks.base import Output, Sink

_COUNTED = {
    "frames_read": "Frames that the source gave.",
    "frames_shown": "Frames that every output took.",
    "frames_dropped": "Frames of a live source that were dropped since no stage was free.",
    "corrupt_packets": "Packets of the source that could not be decoded.",
    "reconnects": "How often a lost source was connected again.",
}
"""The fields of `Counters` that only grow."""


class RunMetrics(Collector):
    """The metrics of the runs given to `follow`; zeros before there is one.

    Names follow its conventions: `edgeseg_frames_read_total`, `edgeseg_stage_seconds_total{stage="network"}`. Where
    there are several runs, each figure has the label `input`.
    """

    def __init__(self) -> None:
        self._runs: dict[str, Callable[[], Counters]] = {}
        self._registry = CollectorRegistry()
        self._registry.register(self)

    def follow(self, counters: Callable[[], Counters], name: str = "") -> None:
        """Include the run with these counters from now on; `name` is that of its input among several."""
        self._runs[name] = counters

    def text(self) -> str:
        """Return the metrics of this moment."""
        return generate_latest(self._registry).decode()

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics of this moment, for the registry."""
        runs = {name: counters() for name, counters in dict(self._runs).items()} or {"": Counters()}
        label = [] if list(runs) == [""] else ["input"]
        named = {name: [name] if label else [] for name in runs}
        for figure, text in _COUNTED.items():
            family = CounterMetricFamily(f"edgeseg_{figure}", text, labels=label)
            for name, now in runs.items():
                family.add_metric(named[name], getattr(now, figure))
            yield family
        stages = CounterMetricFamily(
            "edgeseg_stage_seconds", "Seconds of work of each stage.", labels=[*label, "stage"]
        )
        queues = GaugeMetricFamily("edgeseg_queue_length", "Frames that wait before a stage.", labels=[*label, "stage"])
        for name, now in runs.items():
            for stage, seconds in now.stage_seconds.items():
                stages.add_metric([*named[name], stage], seconds)
            for stage, length in now.queue_lengths.items():
                queues.add_metric([*named[name], stage], length)
        yield stages
        yield queues


class FollowedSink(Sink):
    """Adds the counters of its run to the metrics; it ignores the frames."""

    def __init__(self, metrics: RunMetrics, name: str = "") -> None:
        """`name` is that of the run's input among several."""
        super().__init__()
        self._metrics, self._name = metrics, name
        self.follow(Counters)  # zeros, until its run begins

    def follow(self, counters: Callable[[], Counters]) -> None:
        """Add this run to the metrics."""
        self.counters: Callable[[], Counters] = counters
        self._metrics.follow(counters, self._name)

    def write(self, segmented: Segmented, picture: Picture | None) -> None:
        """Do nothing: the pipeline counts."""

    def finish(self) -> None:
        """Do nothing: the counters stay."""

    def discard(self) -> None:
        """Do nothing."""


class MetricsSink(FollowedSink):
    """Serves the run's metrics at `--metrics`."""

    def __init__(self, address: str, token: str | None) -> None:
        """Serve at `address`; raise InputError if that is impossible, or needs a `token`."""
        super().__init__(RunMetrics())
        self._server = Server(address, token, self._metrics.text)
        self.address: str = self._server.url_of("metrics")

    @classmethod
    def opened(cls, output: Output) -> "MetricsSink":
        """Return the sink at `--metrics`."""
        assert output.options.metrics is not None
        return cls(output.options.metrics, output.options.token)

    def finish(self) -> None:
        """Close the server."""
        self._server.close()

    def discard(self) -> None:
        """Close the server."""
        self._server.close()
