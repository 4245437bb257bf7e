"""Small datasets as Hugging Face's `datasets` writes them."""

import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from PIL import Image
from pyarrow import parquet

Array = npt.NDArray[np.uint8]

IMAGES = {"image": {"_type": "Image"}, "label": {"_type": "Image"}}
"""The features of two columns of images."""


def encoded(pixels: Array, kind: str = "PNG") -> bytes:
    """Return an image file."""
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, kind)
    return stream.getvalue()


def write_parquet(
    file: Path,
    rows: Sequence[tuple[bytes | None, bytes | None]],
    features: Mapping[str, Any] = IMAGES,
    columns: tuple[str, str] = ("image", "label"),
    group: int = 2,
) -> None:
    """Write images and masks as `push_to_hub` does: structs of bytes and path, `group` rows together."""
    file.parent.mkdir(parents=True, exist_ok=True)
    stored = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    values = {
        name: pa.array([{"bytes": row[index], "path": f"{number}.png"} for number, row in enumerate(rows)], stored)
        for index, name in enumerate(columns)
    }
    said = {"huggingface": json.dumps({"info": {"features": dict(features)}})}
    table = pa.table(values | {"caption": ["a street"] * len(rows)}).replace_schema_metadata(said)
    parquet.write_table(table, file, row_group_size=group)


def write_table(folder: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write metadata.jsonl."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "metadata.jsonl").write_text("\n".join(map(json.dumps, rows)))
