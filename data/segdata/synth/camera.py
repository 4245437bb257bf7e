"""Synthetic street scenes with exact labels: demo data, test data, and a short drive with real motion.

Image and label are painted with the same polygons, pixel for pixel. What is done to the image alone (light, texture,
a mild blur, sensor noise) moves no edge.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from segdata.errors import InputError
from segdata.synth.faces import GROUND, IMAGE_ONLY, LABEL, SHADOW, Floats, Mesh, join
from segdata.synth.light import NOISE_SIDE, TEXTURE_SIDE, Bytes, Light, ground_texture, panorama, sensor_noise
from segdata.synth.street import Street
from segdata.synth.world import CAMERA_SPEED, belts

SMALLEST_SIDE = 32
_VIEW = 120.0  # metres ahead up to which things are drawn
_NEAREST = 0.6  # metres; anything nearer is cut off
_BEHIND = 14.0  # metres behind the camera from which long things may still reach into view
_TEXELS = 40.0  # a metre of ground
_TEXTURED = 40.0  # metres ahead up to which the ground shows texture
_STRIP_Z = np.array((0.8, 2, 4, 6, 8, 11, 14, 18, 23, 29, 36, 45, 56, 70, 88, 110, 140, 180, 300), np.float32)


@dataclass(frozen=True)
class Scene:
    """One frame: `image` uint8 RGB [H, W, 3] and `labels` uint8 [H, W], class ids of cityscapes-29."""

    image: Bytes
    labels: Bytes


def scene(seed: int, height: int, width: int) -> Scene:
    """Return one still street scene: another world, light and camera position for each `seed` (0 or more).

    The view is that of a 2:1 frame, 90 degrees across, whatever the size. The same arguments give the same bytes.
    Raise InputError if a side is under 32 pixels or the seed is negative.
    """
    _check(seed, height, width)
    return _Painter(seed, height, width).paint(0, 0.0)


def drive(seed: int, height: int, width: int, frame_count: int, fps: float = 25.0) -> Iterator[Scene]:
    """Return the frames of one drive through one world at 12 m/s, `fps` frames a second.

    Things keep their identity from frame to frame; cars and people move on their own. Frame k does not depend on
    `frame_count`, and frame 0 is `scene(seed, height, width)`. Raise InputError, before the first frame, if a side is
    under 32 pixels, the seed is negative, `frame_count` is under 1, or `fps` is not above 0.
    """
    _check(seed, height, width)
    if frame_count < 1:
        raise InputError(f"got frame_count {frame_count}, need 1 or more")
    if not 0 < fps < math.inf:
        raise InputError(f"got {fps} frames a second, need a number above 0")
    painter = _Painter(seed, height, width)
    return (painter.paint(k, k / fps) for k in range(frame_count))


def _check(seed: int, height: int, width: int) -> None:
    if min(height, width) < SMALLEST_SIDE:
        raise InputError(f"got scene size {height}x{width} (height x width), need {SMALLEST_SIDE} or more each")
    if seed < 0:
        raise InputError(f"got seed {seed}, need 0 or more")


class _Painter:
    """One camera in one world; paints it at one size."""

    def __init__(self, seed: int, height: int, width: int) -> None:
        random = np.random.default_rng((seed, 99))
        self.seed = seed
        self.street = Street(seed)
        self.belts = belts(seed, self.street)
        self.light = Light(random)
        self.height, self.width = height, width
        self.x = self.street.camera_x + float(random.uniform(-0.4, 0.4))
        self.high = float(random.uniform(1.2, 1.45))
        self.focal_x, self.focal_y = width / 2, float(height)
        self.horizon = float(random.uniform(0.42, 0.48)) * height
        self.yaw = float(random.uniform(-0.03, 0.03))
        self.blur = float(random.uniform(0.4, 0.7))
        self.bonnet = float(random.uniform(0.06, 0.12)) * height if random.random() < 0.6 else 0.0
        self.bonnet_colour = float(random.uniform(16, 60))
        self.noise = sensor_noise(float(random.uniform(1.5, 3.5)), height, width)
        self.texture_start = float(random.uniform(0, TEXTURE_SIDE))
        self.margin = math.ceil(0.13 * width) + 1  # the panorama's spare width for the street's bends
        self.sky, self.sky_labels = panorama(random, self.light, height, width + 2 * self.margin, self.horizon)
        self._lay_ground()

    def _lay_ground(self) -> None:
        """Compute, once, which metre of the ground each row and column shows, and how much haze is in front of it."""
        self.first_row = min(self.height - 1, max(0, math.ceil(self.horizon)))
        rows = np.arange(self.first_row, self.height, dtype=np.float32)
        self.row_z = (self.high * self.focal_y / (rows + np.float32(0.5 - self.horizon))).astype(np.float32)
        columns = np.arange(self.width, dtype=np.float32) + np.float32(0.5 - self.width / 2)
        self.textured = int(np.searchsorted(-self.row_z, -_TEXTURED))  # rows from here on show texture
        near_z = self.row_z[self.textured :]
        self.ground_x = near_z[:, None] * columns / np.float32(self.focal_x)
        taken = 1 - np.exp(-np.minimum(self.row_z, 160.0) / np.float32(self.light.clear))
        self.ground_gain = np.repeat((1 - taken)[:, None], self.width, axis=1).astype(np.float32)
        haze = taken[:, None, None] * self.light.haze
        self.ground_haze = np.repeat(np.clip(haze, 0, 255).astype(np.uint8), self.width, axis=1)
        pixel = near_z / np.float32(self.focal_x) * np.float32(_TEXELS)  # texels a pixel spans, near and far
        self.sharpness = np.clip(4.0 / pixel, 0, 1)[:, None].astype(np.float32)

    def paint(self, frame: int, time: float) -> Scene:
        """Return the frame numbered `frame`, seen `time` seconds after the start."""
        z = CAMERA_SPEED * time
        slope = (self.street.middle(z + 0.5) - self.street.middle(z - 0.5)) + self.yaw
        left = self.margin + round(slope * self.focal_x)
        image = self.sky[:, left : left + self.width].copy()
        labels = self.sky_labels[:, left : left + self.width].copy()
        shade = np.full((self.height, self.width), 255, np.uint8)
        self._paint_strips(image, labels, z, slope)
        faces, points = self._seen(time, z, slope)
        flat = faces["layer"] == GROUND
        _fill(faces[flat], points[flat], faces["colour"][flat] * self.light.tint, image, labels, shade)
        self._finish_ground(image, shade, z, slope)
        standing = ~flat
        faces = faces[standing]
        _fill(faces, points[standing], self.light.shade(faces["colour"], faces["points"]), image, labels, shade)
        self._paint_bonnet(image, labels)
        return Scene(self._through_lens(image, frame), labels)

    def _sideways(self, z_ahead: Floats, z: float, slope: float) -> Floats:
        """Return how far right of the camera's axis the street's middle lies `z_ahead` metres ahead."""
        street = self.street
        turn = (z_ahead + z) * (2 * math.pi / street.bend_length) + street.bend_start
        return np.asarray(np.sin(turn) * street.bend - street.middle(z) - slope * z_ahead - self.x, np.float32)

    def _project(self, x: Floats, y: Floats, z: Floats) -> Floats:
        """Return columns and rows, stacked first, of points in camera metres."""
        u = self.width / 2 - 0.5 + self.focal_x * x / z
        v = self.horizon - 0.5 + self.focal_y * (self.high - y) / z
        return np.clip(np.stack([u, v]), -20000, 20000).astype(np.float32)

    def _paint_strips(self, image: Bytes, labels: Bytes, z: float, slope: float) -> None:
        shift = self._sideways(_STRIP_Z, z, slope)
        for strip in self.street.strips:
            edges = [self._project(shift + x, np.zeros_like(shift), _STRIP_Z) for x in (strip.x0, strip.x1)]
            edges[0][0] += 0.5
            edges[1][0] -= 0.5  # painted polygons take in their edges
            outline = np.rint(np.concatenate([edges[0], edges[1][:, ::-1]], axis=1)).astype(np.int32).T
            colour = np.clip(np.asarray(strip.colour) * self.light.tint, 0, 255)
            cv2.fillPoly(image, [outline], colour.tolist())
            cv2.fillPoly(labels, [outline], strip.label)

    def _seen(self, time: float, z: float, slope: float) -> tuple[Mesh, Floats]:
        """Return the faces in view in painting order, their points in camera metres, and their pixels [N, 8, 2]."""
        meshes, starts = [], []
        for belt in self.belts:
            start = z - belt.speed * time
            for index in range(math.floor((start - _BEHIND) / belt.pitch), math.ceil((start + _VIEW) / belt.pitch)):
                meshes.append(belt.cell(index))
                starts.append(index * belt.pitch - start)
        faces = join(*meshes)
        start_of_face = np.repeat(np.array(starts, np.float32), [len(mesh) for mesh in meshes])
        faces["points"][:, :, 2] += start_of_face[:, None]
        faces["foot"][:, 2] += start_of_face
        # Corners first: numpy reduces [8, N] over its first axis ten times as fast as [N, 8] over its last.
        x, y, deep = np.ascontiguousarray(faces["points"].transpose(2, 1, 0))
        ahead = np.flatnonzero((deep.max(axis=0) > _NEAREST) & (deep.min(axis=0) < _VIEW))
        x, y, deep, faces = x[:, ahead], y[:, ahead], np.maximum(deep[:, ahead], _NEAREST), faces[ahead]
        step = np.sin(np.float32(6.0 * time) + 7.0 * x[0]) * faces["sway"]
        x = x + step * np.clip(1 - y / np.float32(0.85), 0, 1) + self._sideways(deep, z, slope)
        u, v = self._project(x, y, deep)
        u_next, v_next = np.roll(u, -1, axis=0), np.roll(v, -1, axis=0)
        towards_us = (u * v_next - u_next * v).sum(axis=0) < 0
        (left, right), (top, bottom) = ((side.min(axis=0), side.max(axis=0)) for side in (u, v))
        inside = (right >= 0) & (left < self.width) & (bottom >= 0) & (top < self.height)
        wide, tall = right - left, bottom - top
        detail = faces["label"] == IMAGE_ONLY
        large = np.where(detail, np.minimum(wide, tall) > 0.8, np.maximum(wide, tall) > 0.9)
        seen = np.flatnonzero(towards_us & inside & large)
        x0, x1, near, _ = faces["foot"][seen].T
        aside = np.maximum(np.maximum(x0 - self.x, self.x - x1), 0)
        seen = seen[np.argsort(-np.hypot(aside, np.maximum(near, 0)), kind="stable")]
        pixels = np.stack([u[:, seen], v[:, seen]])
        # Painted polygons take in their edges, so half a pixel comes off all round.
        pixels -= np.clip(pixels - pixels.mean(axis=1, keepdims=True), -0.5, 0.5)
        return faces[seen], np.ascontiguousarray(pixels.transpose(2, 1, 0))

    def _finish_ground(self, image: Bytes, shade: Bytes, z: float, slope: float) -> None:
        """Lay shadows, the texture that stays with the ground, and haze over what is flat."""
        gain = self.ground_gain * (shade[self.first_row :] * np.float32(1 / 255))
        if self.textured < len(self.row_z):
            near_z = self.row_z[self.textured :]
            x = (self.ground_x - self._sideways(near_z, z, slope)[:, None]) * np.float32(_TEXELS)
            down = (((near_z + z) * _TEXELS + self.texture_start) % TEXTURE_SIDE).astype(np.float32)
            y = np.repeat(down[:, None], self.width, axis=1)
            texture = cv2.remap(ground_texture(), x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)
            gain[self.textured :] *= 1 + (texture - 1) * self.sharpness
        ground = image[self.first_row :]
        hazy = cv2.multiply(ground, cv2.merge([gain, gain, gain]), dtype=cv2.CV_8U)
        ground[:] = cv2.add(hazy, self.ground_haze)

    def _paint_bonnet(self, image: Bytes, labels: Bytes) -> None:
        """Paint the bonnet of the camera's own car, class unlabelled."""
        if not self.bonnet:
            return
        across = np.linspace(-1, 1, 33)
        for share, light in ((1.0, 1.0), (0.8, 1.5), (0.55, 1.15)):
            top = self.height - self.bonnet * share * (1 - 0.45 * np.abs(across) ** 3)
            edge = np.stack([(across + 1) / 2 * self.width, top], axis=1)
            corners = np.array([(self.width, self.height), (0, self.height)])
            outline = np.rint(np.concatenate([edge, corners])).astype(np.int32)
            colour = (self.bonnet_colour * light * self.light.tint).clip(0, 255)
            cv2.fillPoly(image, [outline], colour.tolist())
            cv2.fillPoly(labels, [outline], LABEL["unlabelled"])

    def _through_lens(self, image: Bytes, frame: int) -> Bytes:
        """Return the image mildly blurred and with this frame's sensor noise."""
        soft = cv2.GaussianBlur(image, (3, 3), self.blur)
        down, right = np.random.default_rng((self.seed, 7, frame)).integers(0, NOISE_SIDE, 2)
        noise = self.noise[down : down + self.height, right : right + self.width]
        return np.asarray(cv2.add(soft, noise, dtype=cv2.CV_8U), np.uint8)


def _fill(faces: Mesh, pixels: Floats, colours: Floats, image: Bytes, labels: Bytes, shade: Bytes) -> None:
    """Paint faces in their order, image and labels with the same polygons, shadows into `shade`."""
    outlines = np.rint(pixels).astype(np.int32)
    colour_rows = np.clip(colours, 0, 255).tolist()
    rows = zip(outlines, faces["corners"].tolist(), colour_rows, faces["label"].tolist(), strict=True)
    for outline, corners, colour, label in rows:
        polygon = outline[:corners]
        if label == SHADOW:
            cv2.fillConvexPoly(shade, polygon, colour[0])
            continue
        cv2.fillConvexPoly(image, polygon, colour)
        if label != IMAGE_ONLY:
            cv2.fillConvexPoly(labels, polygon, label)
