"""A run's account in Prometheus' text format, and the sink that serves it without a picture: `seg-run --metrics`."""

from collections.abc import Callable, Iterator

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from segdata.video.picture import Picture
from segrun.counters import Counters
from segrun.frame import Segmented
from segrun.preview.address import parse_address
from segrun.preview.server import Server
from segrun.sinks.base import Output, Sink

_FRAMES = {
    "read": "Frames that the source gave.",
    "shown": "Frames that every output took.",
    "dropped": "Frames of a live source that were left out, as no stage was free.",
}


class RunMetrics(Collector):
    """What Prometheus is told of the run that `follow` names; of none, zeros.

    Names follow its conventions: `edgeseg_frames_read_total`, `edgeseg_stage_seconds_total{stage="network"}`.
    """

    def __init__(self) -> None:
        self._counters: Callable[[], Counters] = Counters
        self._registry = CollectorRegistry()
        self._registry.register(self)

    def follow(self, counters: Callable[[], Counters]) -> None:
        """Tell of the run with these counters from now on."""
        self._counters = counters

    def text(self) -> str:
        """Return the metrics of this moment."""
        return generate_latest(self._registry).decode()

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics of this moment, for the registry."""
        now = self._counters()
        for name, text in _FRAMES.items():
            yield CounterMetricFamily(f"edgeseg_frames_{name}", text, value=getattr(now, f"frames_{name}"))
        text = "Packets of the source that could not be decoded."
        yield CounterMetricFamily("edgeseg_corrupt_packets", text, value=now.corrupt_packets)
        yield CounterMetricFamily(
            "edgeseg_reconnects", "How often a lost source was found again.", value=now.reconnects
        )
        stages = CounterMetricFamily("edgeseg_stage_seconds", "Seconds of work of each stage.", labels=["stage"])
        for stage, seconds in now.stage_seconds.items():
            stages.add_metric([stage], seconds)
        yield stages
        queues = GaugeMetricFamily("edgeseg_queue_length", "Frames that wait before a stage.", labels=["stage"])
        for stage, length in now.queue_lengths.items():
            queues.add_metric([stage], length)
        yield queues


class MetricsSink(Sink):
    """Serves the run's metrics at `--metrics`; it takes the frames and leaves them alone."""

    def __init__(self, address: str, token: str | None) -> None:
        """Serve at `address`; raise InputError if that cannot be, or not without a `token`."""
        super().__init__()
        host, port = parse_address(address)
        self._metrics = RunMetrics()
        self._server = Server(host, port, token, self._metrics.text)
        self.address: str = self._server.url_of("metrics")

    @classmethod
    def opened(cls, output: Output) -> "MetricsSink":
        """Return the sink at `--metrics`."""
        assert output.options.metrics is not None
        return cls(output.options.metrics, output.options.token)

    def follow(self, counters: Callable[[], Counters]) -> None:
        """Tell of this run."""
        self._metrics.follow(counters)

    def write(self, segmented: Segmented, picture: Picture | None) -> None:
        """Do nothing: the pipeline counts."""

    def finish(self) -> None:
        """Close the server."""
        self._server.close()

    def discard(self) -> None:
        """Close the server."""
        self._server.close()
