"""Writes each frame's labels in the formats of labelling tools: COCO, YOLO, CVAT, Label Studio, labelme."""

from pathlib import Path

from segdata.errors import InputError
from segdata.formats.writing.base import LabelledImage, LabelWriter, Place
from segdata.formats.writing.coco import CocoFile
from segdata.formats.writing.open import MASKS
from segdata.formats.writing.space import label_space_of, write_label_space
from segdata.images.image_file import as_jpeg
from segdata.labels import LabelSpace
from segdata.video.picture import Picture
from segrun.frame import Frame, Segmented
from segrun.sinks.base import Output, Sink
from segrun.sinks.png import TakenNames, safe_name
from segrun.sources.image import ImageSource

_JPEG_QUALITY = 95


class AnnotationSink(Sink):
    """Writes the labels of every frame, of the frame's size, and the frames themselves if asked for.

    One file of all frames appears when the run ends, a file a frame when it is complete. An image keeps its file's
    name; a frame of a video is NUMBER.jpg.
    """

    def __init__(
        self,
        target: Path,
        writer: LabelWriter | CocoFile,
        space: LabelSpace | None = None,
        files: dict[str, Path] | None = None,
        with_images: bool = False,
    ) -> None:
        """Prepare to write `target` with `writer`, and `space` beside it.

        `files` are the images that the frames come from, by the frames' names.
        """
        super().__init__()
        self._target, self._writer, self._space = target, writer, space
        self._files, self._with_images = files or {}, with_images
        self._names = TakenNames(target)

    @classmethod
    def opened(cls, output: Output) -> "AnnotationSink":
        """Return the sink of a folder, in the format that the options name."""
        space = _space_of(output)
        writer = MASKS[output.options.mask_format](Place(output.path), space)
        return cls(output.path, writer, space, _files_of(output), output.options.with_images)

    def write(self, segmented: Segmented, picture: Picture | None) -> None:
        """Write one frame; raise InputError if it cannot be written, or if another frame has the name."""
        frame = segmented.frame
        file = self._files.get(frame.name)
        name = image_name(frame, file)
        stem = Path(name).stem
        self._names.take(stem, frame.name, f"labels {stem}")
        item = LabelledImage(
            file_name=name,
            labels=segmented.labels,
            height=frame.picture.height,
            width=frame.picture.width,
            image=encoded_image(frame.picture, file) if self._with_images else None,
            predicted=True,
            confidence=None if segmented.confidence is None else float(segmented.confidence.mean()) / 255,
        )
        self._writer.write(item)
        self.path = self._target

    def finish(self) -> None:
        """Complete the files, and write the label space; raise InputError if that cannot be done."""
        self._writer.finish()
        if self.path is not None and self._space is not None:
            write_label_space(self._target, self._space)

    def discard(self) -> None:
        """Remove incomplete files."""
        self._writer.discard()


def image_name(frame: Frame, file: Path | None) -> str:
    """Return the name of a frame's image: that of its `file`, or the frame's own name as NAME.jpg."""
    return file.name if file else f"{safe_name(frame.name)}.jpg"


def encoded_image(picture: Picture, file: Path | None) -> bytes:
    """Return the bytes of a frame's `file`, or a JPEG of the frame; raise InputError if the file cannot be read."""
    try:
        if file is not None:
            return file.read_bytes()
    except OSError as error:
        raise InputError(f"{file}: cannot be read: {error.strerror or error}") from None
    return as_jpeg(picture.to_rgb(), _JPEG_QUALITY)


class CocoSink(AnnotationSink):
    """Writes NAME.coco.json, with a run-length code for each class of each frame, or polygons."""

    @classmethod
    def opened(cls, output: Output) -> "CocoSink":
        """Return the sink of one file; raise InputError if images would have to be in it."""
        if output.options.with_images:
            raise InputError(f"got --with-images for the file {output.path}; name a folder, as {output.path.stem}/")
        file = CocoFile(output.path, _space_of(output), polygons=output.options.mask_format == "polygons")
        return cls(output.path, file, files=_files_of(output))


def _space_of(output: Output) -> LabelSpace:
    return label_space_of(output.spec.label_space, output.spec.class_names, output.spec.colours)


def _files_of(output: Output) -> dict[str, Path]:
    return output.source.files() if isinstance(output.source, ImageSource) else {}
