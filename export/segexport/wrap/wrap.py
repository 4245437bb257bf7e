"""NET.onnx -> NAME.fp32.onnx under the graph contract, proved equal to the original."""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from segdata.errors import InputError
from segdata.files import move_onto, sha256_of, staging
from segdata.images.image_file import as_png, read_image
from segdata.images.resize import enlarge_labels, resize_frame
from segdata.labels import LabelSpace, palette
from segdata.prepare.label_files import find_label_space
from segdata.spec import ModelSpec
from segexport.graph.confidence import SCORES, with_confidence
from segexport.graph.onnx_file import OnnxFile, write_onnx
from segexport.wrap.foreign import Foreign, read_foreign
from segexport.wrap.graph import wrapped
from segexport.wrap.options import Normalisation, WrapOptions, normalisation_of
from segexport.wrap.outputs import Meaning, meaning_of
from segexport.wrap.proof import prove
from segrun.runners.onnxruntime import OnnxRuntimeRunner

SUFFIX = ".fp32.onnx"


@dataclass(frozen=True)
class Wrapped:
    """What was made: the file, what was found in the network and chosen, the share of pixels that agree.

    `check` is the picture of the result, if one was asked for.
    """

    file: Path
    foreign: Foreign
    meaning: Meaning
    normalisation: Normalisation
    spec: ModelSpec
    equal: float
    check: Path | None
    has_confidence: bool


def wrap(options: WrapOptions) -> Wrapped:
    """Bring the network that `options` name under the graph contract.

    Raises InputError and ContractError if something cannot be read, is not understood or is missing from the options,
    VerificationError if the result differs from the network's; nothing is written then.
    """
    foreign = read_foreign(options.network, options.size)
    if options.classes is None:
        raise InputError("what the classes are cannot be seen from the file: give --classes cityscapes-19, or a .toml")
    space, normalisation = find_label_space(options.classes), normalisation_of(options)
    meaning = meaning_of(foreign, space.class_count, options.take)
    spec = _spec_of(foreign, meaning, space, normalisation, options)
    model = wrapped(foreign, meaning, normalisation, spec, bgr=options.bgr, corners=options.corners)
    if options.confidence:
        model = with_confidence(model)
    target = options.output or Path(options.network.stem + SUFFIX)
    if not target.name.endswith(SUFFIX):
        raise InputError(f"got -o {target}, need a name that ends in {SUFFIX}: other precisions are named alike")
    with staging(target.parent) as folder:
        draft = write_onnx(folder / target.name, model)
        equal = prove(draft.path, foreign, meaning, normalisation, bgr=options.bgr, corners=options.corners)
        check = _picture(draft, options.check, folder) if options.check else None
        move_onto(target, draft.path)
        shown = target.with_name(target.name.removesuffix(SUFFIX) + ".check.png") if check else None
        if check and shown:
            move_onto(shown, check)
    return Wrapped(target, foreign, meaning, normalisation, spec, equal, shown, options.confidence)


def _spec_of(
    foreign: Foreign, meaning: Meaning, space: LabelSpace, normalisation: Normalisation, options: WrapOptions
) -> ModelSpec:
    """Return the spec of the file; its means and deviations are in RGB order."""
    order = slice(None, None, -1 if options.bgr else 1)
    return ModelSpec(
        height=foreign.size.height,
        width=foreign.size.width,
        label_space=space.name,
        class_names=space.names,
        colours=space.colours,
        architecture="onnx",
        options={"output": meaning.name[:200], SCORES: _scores(meaning)},
        mean=normalisation.mean[order],  # type: ignore[arg-type] # three of them
        std=normalisation.std[order],  # type: ignore[arg-type]
        source=foreign.path.name[:200],
        source_sha256=sha256_of(foreign.path),
        producer=f"{foreign.original.producer_name} {foreign.original.producer_version}".strip()[:200],
        licence=options.licence[:200],
    )


def _scores(meaning: Meaning) -> str:
    return "ids" if meaning.kind == "ids" else "probabilities" if meaning.probabilities else "logits"


def _picture(draft: OnnxFile, image: Path, folder: Path) -> Path:
    """Write `image` with the classes' colours over it, at its own size."""
    frame = read_image(image)
    spec = draft.contract.spec
    with OnnxRuntimeRunner(draft.path) as runner:
        labels = runner(resize_frame(frame, spec.height, spec.width)[None])[0]
    colours = palette(spec.colours)[enlarge_labels(labels, *frame.shape[:2])]
    mixed = np.hstack([frame, cv2.addWeighted(frame, 0.4, colours, 0.6, 0)])
    written = folder / "check.png"
    written.write_bytes(as_png(mixed))
    return written
