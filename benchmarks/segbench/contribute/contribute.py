"""Measures the standard table of this machine and packs it, with its context, into one file to send."""

import tempfile
from dataclasses import dataclass, replace
from importlib.metadata import metadata, version
from io import StringIO
from pathlib import Path

from rich.console import Console

from segbench.artefacts import artefacts_of
from segbench.bench import bench
from segbench.contribute.engines import build_engines, libraries_here
from segbench.contribute.pack import PREFLIGHT, REPORT, Log, Pack
from segbench.contribute.privacy import Privacy, private_here
from segbench.facts import file_name
from segbench.measure.machine import this_machine
from segbench.options import BenchOptions, ContributeOptions
from segbench.preflight.gpu import Gpu, find_gpu
from segbench.preflight.preflight import preflight
from segbench.preflight.table import print_preflight
from segbench.report.markdown import to_markdown
from segbench.results import BenchReport
from segdata.command_line.progress import SILENT, Progress
from segdata.errors import EdgeSegError, IncompleteError, InputError, MissingDependencyError
from segdata.files import replacing
from segdata.images.size import Size
from segdata.options import PrepareOptions, SynthOptions
from segdata.prepare.prepare import prepare
from segdata.shipped import SHIPPED_SIZES
from segdata.synth.write import write_synthetic
from segrun.runners.tensorrt.library import TensorRT

SCENES = 60
"""Synthetic scenes; the same on every machine. A fifth would calibrate INT8, the others measure accuracy."""

_WIDTH = 160  # columns of the preflight's table in a file


@dataclass(frozen=True)
class Contribution:
    """The packed file, and the report in it."""

    path: Path
    report: BenchReport


def contribute(options: ContributeOptions, progress: Progress = SILENT, privacy: Privacy | None = None) -> Contribution:
    """Measure every shipped model in every precision, and write the file.

    With a GPU these are engines, of each TensorRT that is installed; with `options.cpu` ONNX files on the CPU. All of
    them run on the synthetic drive and on synthetic scenes, which are the same everywhere. `progress` is started again
    for each part of the work. Raises MissingDependencyError, before anything is measured, if there is no GPU or no
    TensorRT and the CPU was not asked for; IncompleteError if measuring fails: the file then has the results so far.
    `privacy` is what must be removed, that of this machine if None.
    """
    gpu = None if options.cpu else _gpu()
    libraries = libraries_here() if gpu else []
    if gpu:
        import segexport.graph.onnx_file  # noqa: F401 - a missing library is reported before minutes of measuring
    path = options.output or Path(f"edgeseg-{_machine(gpu)}.zip")
    if path.suffix.lower() != ".zip":
        raise InputError(f"got {path}, need a name like {path.with_suffix('.zip').name}")
    pack = Pack(privacy or private_here())
    log = pack.log
    with_what = ", ".join(f"{library.flavour} {library.version}" for library in libraries)
    log.tell(f"edgeseg {version('edgeseg')} on {gpu.name if gpu else 'the processor'}: {with_what or 'ONNX files'}")
    report = failure = None
    with replacing(path) as temporary, tempfile.TemporaryDirectory() as folder:
        temporary.touch()  # otherwise minutes of measuring could be lost at the end
        try:
            report = _measured(options, gpu, libraries, Path(folder), progress, pack)
        except Exception as error:  # a bug is also worth sending
            log.fail(f"measuring failed: {error}", error)
            failure = error
        for build_log in sorted(Path(folder).glob("*.engine.log")):
            pack.add(f"logs/{build_log.name}", build_log.read_text(encoding="utf-8", errors="replace"))
        pack.write(temporary)
    if report is None:
        raise IncompleteError(f"measuring failed ({failure}); {path} says how far it came: please send it anyway")
    return Contribution(path, report)


def where_to_send() -> str:
    """Return the address of the form for it, in the repository that the package's metadata names."""
    urls = dict(each.split(", ", 1) for each in metadata("edgeseg").get_all("Project-URL", []))
    return f"{urls['Repository']}/issues/new?template=figures.yml"


def _measured(
    options: ContributeOptions,
    gpu: Gpu | None,
    libraries: list[TensorRT],
    folder: Path,
    progress: Progress,
    pack: Pack,
) -> BenchReport:
    log = pack.log
    found = preflight(progress=progress)
    console = Console(file=StringIO(), width=_WIDTH)
    with console.capture() as shown:
        print_preflight(pack.privacy.clean_record(found), console)  # before lines wrap, also within names
    pack.add(PREFLIGHT, shown.get())
    log.tell("preflight done")
    artefacts = artefacts_of((), False, folder, progress=progress)
    log.tell(f"models: {', '.join(path.name for path in artefacts)}")
    left_out: list[str] = []
    if gpu:
        artefacts, left_out = build_engines(artefacts, libraries, gpu.compute_capability, folder, progress, log)
        if not artefacts:
            raise EdgeSegError("no engine was built that runs")
    data = _scenes(folder, progress)
    log.tell("scenes painted")
    measuring = BenchOptions(data=data, rounds=options.rounds, frames=options.frames)
    report = bench(measuring, artefacts, progress)
    report = pack.privacy.clean_record(replace(report, warnings=(*left_out, *report.warnings)))
    log.tell("measured")
    pack.add_clean(REPORT, report.to_json())
    pack.add_clean("report.md", to_markdown(report))
    if page := _page(report, log):
        pack.add_clean("report.html", page)
    return report


def _gpu() -> Gpu:
    try:
        return find_gpu()
    except EdgeSegError as error:
        raise MissingDependencyError(f"no GPU to measure; --cpu measures the processor instead: {error}") from None


def _scenes(folder: Path, progress: Progress) -> Path:
    """Return a dataset of synthetic scenes in the sizes of the shipped models."""
    painted, prepared = folder / "painted", folder / "synthetic-scenes"
    write_synthetic(SynthOptions(target=painted, train=0, val=SCENES, seconds=0), progress)
    sizes = tuple(Size(size, size) for size in SHIPPED_SIZES)
    prepare(PrepareOptions(source=painted, target=prepared, sizes=sizes), progress)
    return prepared


def _page(report: BenchReport, log: Log) -> str | None:
    try:
        from segbench.report.page import to_page
    except ImportError as error:  # the JSON has all that is in it
        log.tell(f"no report.html: {error}")
        return None
    return to_page(report)


def _machine(gpu: Gpu | None) -> str:
    """Return what a file is named after: nvidia-geforce-gtx-1660-ti, or amd-epyc-2-cores."""
    machine = this_machine()
    return file_name(gpu.name if gpu else f"{machine.processor} {machine.cores} cores")
