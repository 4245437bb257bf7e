"""FFmpeg's swscale, which gives frames another size and their pixels another layout."""

import av
from av.video.reformatter import ColorRange, Interpolation, VideoReformatter

from segdata.errors import InputError

_BT709 = 1  # for both sides: the numbers must not change, whatever colours they stand for
_MEAN_OF_AREA = Interpolation.AREA | 1 << 18  # SWS_ACCURATE_RND, which PyAV 17 does not name


class Scaler:
    """Changes sizes and layouts, but never colours. For one thread; best used for one kind of frames.

    When swscale converts to another matrix or range, most of its code rounds down: pictures become up to 4 levels too
    dark, and green. It also knows only five matrices. So `segdata.video.yuv` does that.
    """

    def __init__(self) -> None:
        self._swscale = VideoReformatter()

    def __call__(
        self, frame: av.VideoFrame, pixel_format: str, height: int | None = None, width: int | None = None
    ) -> av.VideoFrame:
        """Return `frame` laid out as `pixel_format`, at `height` x `width`, each pixel the mean of its area.

        Raises InputError for pixels that swscale cannot read, such as a graphics card's own.
        """
        # Only for formats that always have the full range: swscale would stretch the luma of some others.
        said = ColorRange.JPEG if has_always_full_range(frame) else ColorRange.MPEG
        try:
            return self._swscale.reformat(
                frame,
                width,
                height,
                pixel_format,
                src_colorspace=_BT709,
                dst_colorspace=_BT709,
                src_color_range=said,
                dst_color_range=said,
                interpolation=_MEAN_OF_AREA,
                threads=0 if height is None else 1,  # of a small image, more of them cost what they save
            )
        except (av.FFmpegError, OSError) as error:
            raise InputError(
                f"got pixels laid out as {frame.format.name}, which FFmpeg here cannot change ({error.strerror}); "
                "convert the video to yuv420p"
            ) from None


def is_grey(frame: av.VideoFrame) -> bool:
    """Return whether `frame` has luma and no chroma."""
    return frame.format.name.startswith(("gray", "ya", "mono"))


def has_always_full_range(frame: av.VideoFrame) -> bool:
    """Return whether swscale takes `frame` as full range, whatever its metadata says."""
    return is_grey(frame) or frame.format.name.startswith("yuvj")
