"""Writes the drawn pictures as image files."""

from pathlib import Path

import cv2

from segdata.errors import InputError
from segdata.files import replacing
from segdata.video.picture import Picture
from segrun.frame import Segmented
from segrun.sinks.base import Output, Sink
from segrun.sinks.png import safe_name
from segrun.sources.image import ImageSource

_QUALITY = {  # of 100, for the formats that have one
    ".jpg": [cv2.IMWRITE_JPEG_QUALITY, 95],
    ".jpeg": [cv2.IMWRITE_JPEG_QUALITY, 95],
    ".webp": [cv2.IMWRITE_WEBP_QUALITY, 95],
}


class ImageSink(Sink):
    """Writes one image a frame, of the frame's size and of the kind that the name's suffix says.

    `{frame}` in the name stands for each frame's name, `{suffix}` for the suffix of the image that the frame came
    from. Each file appears when it is complete.
    """

    shows = True

    def __init__(self, name: str, files: dict[str, Path] | None = None) -> None:
        """Prepare to write; `files` are the images that the frames come from, by their names: none is overwritten."""
        super().__init__()
        self._name, self._files = name, files or {}
        self._inputs = {path.resolve() for path in self._files.values()}
        self._written: set[Path] = set()

    @classmethod
    def opened(cls, output: Output) -> "ImageSink":
        """Return the sink of images; raise InputError if a video would go into one."""
        name, source = str(output.path), output.source
        if "{frame}" not in name and not isinstance(source, ImageSource):
            raise InputError(f"got one image {name} for a video; put {{frame}} into its name, or name a video")
        return cls(name, source.files() if isinstance(source, ImageSource) else None)

    def write(self, segmented: Segmented, picture: Picture | None) -> None:
        """Write one picture; raise InputError if it cannot be written, or another frame has its name."""
        assert picture is not None, "an image shows the drawn picture"
        target = self._target(segmented.frame.name)
        try:
            suffix = target.suffix.lower()
            _, encoded = cv2.imencode(suffix, picture.to_rgb()[..., ::-1], _QUALITY.get(suffix, []))
        except cv2.error:
            raise InputError(f"{target}: no {target.suffix} can be {picture.width}x{picture.height} pixels") from None
        with replacing(target) as temporary:
            temporary.write_bytes(encoded.data)
        self.path = target if "{frame}" not in self._name else target.parent

    def finish(self) -> None:
        """Do nothing: each file was complete when it was written."""

    def discard(self) -> None:
        """Do nothing: the existing files are complete."""

    def _target(self, frame: str) -> Path:
        file = self._files.get(frame, Path(f"{safe_name(frame)}.png"))
        name = self._name.replace("{frame}{suffix}", file.name).replace("{frame}", safe_name(frame))
        target = Path(name.replace("{suffix}", file.suffix))
        if target in self._written:
            raise InputError(f"got another frame for {target}; put {{frame}} into the name, or name a video")
        if target.resolve() in self._inputs:
            raise InputError(f"got {target} as input and as output; name another output with -o")
        if not frame.isdecimal() or "{frame}" not in self._name:  # a camera's numbers are endless
            self._written.add(target)
        return target
