"""What a benchmark found: the schema of its JSON. A change that old readers would misread raises SCHEMA.

Every figure is kept with what it was measured with. Rates are frames a second, times milliseconds unless the name says
seconds, accuracies fractions 0 to 1, None where nothing was measured.
"""

import math
import statistics
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from annotated_types import Ge, Gt, Len, Lt
from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from segdata.errors import InputError
from segdata.shipped import split_name
from segdata.spec import Precision
from segdata.text import first_problem

SCHEMA: Literal[1] = 1

_STRICT = ConfigDict(extra="forbid")
_Rate = Annotated[float, Gt(0), Lt(math.inf)]


@dataclass(frozen=True, config=_STRICT)
class Card:
    """A card's driver, its clocks in MHz, its temperature in degrees Celsius, and what slows it down."""

    name: str
    driver: str
    graphics_mhz: int | None
    memory_mhz: int | None
    temperature: int | None
    throttled_by: tuple[str, ...]
    used_mb: float | None


@dataclass(frozen=True, config=_STRICT)
class Machine:
    """Processor, usable cores, system, and the versions of the libraries that decide speed.

    `clock_mhz`, `governor` and `temperature` (degrees Celsius) are the processor's, `card` the first NVIDIA card's;
    None where the machine does not say. `load` is how many processes wanted to run in the minute before.
    `instructions` are those that decide how fast a network runs, such as AVX2: processors of one name may differ.
    """

    processor: str
    cores: int
    system: str
    python: str
    libraries: dict[str, str]
    clock_mhz: float | None = None
    governor: str | None = None
    temperature: float | None = None
    load: float | None = None
    card: Card | None = None
    instructions: tuple[str, ...] = ()


@dataclass(frozen=True, config=_STRICT)
class WorstFrame:
    """A frame `seconds` after the first one, and the share of its pixels, 0 to 1, with the reference's class."""

    seconds: float
    equal_pixels: float


@dataclass(frozen=True, config=_STRICT)
class QualityResult:
    """An artefact beside its reference on the same `frames`, at the network's size; all figures are shares 0 to 1.

    `equal_pixels` have the same class in both. `class_agreement` is the share of the reference's pixels of a class
    that have it in the artefact, too; None for a class that the reference never saw. `flicker` and `reference_flicker`
    are the share of still pixels that changed their class from one frame to the next, None if nothing stood still;
    `still_pixels` is the share of still pixels, 0 if there is only one frame. `worst` are the frames that agree least,
    worst first, far apart.
    """

    artefact: str
    reference: str
    frames: int
    equal_pixels: float
    class_agreement: dict[str, float | None]
    flicker: float | None
    reference_flicker: float | None
    still_pixels: float
    worst: tuple[WorstFrame, ...]


@dataclass(frozen=True, config=ConfigDict(**_STRICT, ser_json_bytes="base64", val_json_bytes="base64"))
class FrameView:
    """One frame of the video as an artefact labels it, in pictures for the page: JPEG, base64 in JSON.

    `differences` marks where its labels are not those of `reference`, the same model in float32, or in float16 if that
    was not measured; `equal_pixels` is the share of the others, 0 to 1. The three are None without such an artefact.
    """

    artefact: str
    seconds: float
    overlay: bytes
    reference: str | None = None
    differences: bytes | None = None
    equal_pixels: float | None = None


@dataclass(frozen=True, config=_STRICT)
class Rate:
    """Frames a second in each round."""

    rounds: Annotated[tuple[_Rate, ...], Len(1)]

    @property
    def median(self) -> float:
        """The middle round."""
        return statistics.median(self.rounds)

    @property
    def spread(self) -> float:
        """The distance of the rounds: (highest - lowest) / median."""
        return (max(self.rounds) - min(self.rounds)) / self.median

    def overlaps(self, other: "Rate") -> bool:
        """Return whether rounds of one lie among those of the other: neither is faster beyond the spread."""
        return max(self.rounds) >= min(other.rounds) and max(other.rounds) >= min(self.rounds)


@dataclass(frozen=True, config=_STRICT)
class Latency:
    """How long single frames took, in milliseconds."""

    milliseconds: Annotated[tuple[Annotated[float, Ge(0)], ...], Len(1)]

    def percentile(self, share: float) -> float:
        """Return the time that `share` percent of the frames stayed within, 0 to 100."""
        return float(np.percentile(self.milliseconds, share))


@dataclass(frozen=True, config=_STRICT)
class Change:
    """An artefact's mIoU less that of the reference, in points (hundredths), on the same images.

    `low` and `high` bound its 95 % interval: the percentile bootstrap over images, both artefacts on the same ones
    (Efron and Tibshirani 1993, chapter 13). `reference` names the artefact; `classes` is how many the mIoU is over.
    """

    reference: str
    classes: int
    points: float
    low: float
    high: float

    @property
    def different(self) -> bool:
        """Whether the interval excludes zero."""
        return not self.low <= 0 <= self.high


@dataclass(frozen=True, config=_STRICT)
class Sureness:
    """How good an artefact's confidence is, over all labelled pixels; fractions 0 to 1.

    `ece` is the expected calibration error: the mean difference of confidence and accuracy (Guo et al. 2017,
    arXiv 1706.04599). `coverage` and `risk` are the risk-coverage curve, the surest pixels first (El-Yaniv and Wiener
    2010, JMLR 11): a share of the pixels, and how many of those are wrong.
    """

    ece: float
    coverage: tuple[float, ...]
    risk: tuple[float, ...]

    def risk_at(self, coverage: float) -> float:
        """Return the risk of the surest pixels that are `coverage` of all."""
        return float(np.interp(coverage, self.coverage, self.risk))


@dataclass(frozen=True, config=_STRICT)
class AccuracyResult:
    """Figures over all images of the dataset: mIoU over the space's classes and the 19 official ones, and pixels.

    `sureness` is None where the artefact gives no confidence.
    """

    miou: float | None
    miou_official: float | None
    pixel_accuracy: float | None
    class_iou: dict[str, float | None]
    change: Change | None
    sureness: Sureness | None = None


@dataclass(frozen=True, config=_STRICT)
class StageSpan:
    """A stage at work, in milliseconds since the first span that was kept."""

    stage: str
    start: float
    stop: float


@dataclass(frozen=True, config=_STRICT)
class Energy:
    """Joules a frame of the network alone, idle power included, of a package or card; `meter` is the source."""

    joules: float
    meter: str


@dataclass(frozen=True, config=_STRICT)
class ArtefactResult:
    """One artefact's figures.

    `precision` is the artefact's, `computes` what the runner computes in here. `engine` is the network alone
    with frames in flight, `latency` that of one frame at a time; `end_to_end` everything seg-run does from file to
    file, `end_to_end_latency` from a frame's decoding to its last sink. `stage_milliseconds` is what each stage works
    a frame, in wall time, `timeline` the last spans of a run. `memory_mb` is the peak of a process that only runs it,
    `gpu_memory_mb` what it takes on the card.
    """

    artefact: str
    sha256: str
    precision: Precision
    height: int
    width: int
    class_count: int
    runner: str
    device: str
    computes: str
    engine: Rate
    latency: Latency
    end_to_end: Rate
    end_to_end_latency: Latency
    stage_milliseconds: dict[str, float]
    timeline: tuple[StageSpan, ...]
    memory_mb: float | None
    gpu_memory_mb: float | None
    energy: Energy | None
    accuracy: AccuracyResult | None


@dataclass(frozen=True, config=_STRICT)
class Verdict:
    """What follows from the figures, in sentences: which stage binds each artefact, how far from what the device could
    do, and which artefact to take. `recommended` is its name, None if none meets what was asked."""

    recommended: str | None
    sentences: tuple[str, ...]


@dataclass(frozen=True, config=_STRICT)
class BenchReport:
    """A whole benchmark. `created` is UTC, ISO 8601. `video` and `dataset` say what was used, in words.
    `quality` compares artefacts on the video, where no labels are; `frames` shows one frame of it."""

    edgeseg: str
    created: str
    machine: Machine
    video: str
    dataset: str | None
    results: tuple[ArtefactResult, ...]
    warnings: tuple[str, ...]
    verdict: Verdict
    quality: tuple[QualityResult, ...] = ()
    frames: tuple[FrameView, ...] = ()
    schema: Literal[1] = SCHEMA

    def to_json(self) -> str:
        """Return the report as indented JSON."""
        return TypeAdapter(BenchReport).dump_json(self, indent=1).decode()


def read_report(path: Path) -> BenchReport:
    """Return the report in a JSON file of seg-bench; raise InputError if it is not one, or of another schema."""
    if path.suffix.lower() in (".onnx", ".engine", ".safetensors") or split_name(path)[0]:
        way = f"seg-bench {path} --json {path.stem}.json"
        raise InputError(f"{path}: an artefact, need a JSON report of one; make it with: {way}")
    try:
        return TypeAdapter(BenchReport).validate_json(path.read_bytes())
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; need a JSON report of seg-bench") from None
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}; need a JSON report of seg-bench") from None
    except ValidationError as error:
        raise InputError(f"{path}: {first_problem(error)}; need a JSON report of seg-bench, schema {SCHEMA}") from None
