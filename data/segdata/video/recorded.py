"""When and where a video was recorded: the two facts that results keep."""

from collections.abc import Mapping

# What they are called in a result, and in a source: by FFmpeg, by some cameras and by iPhones, the best first.
_NAMES = {
    "creation_time": ("creation_time", "com.apple.quicktime.creationdate"),
    "location": ("location", "location-eng", "com.apple.quicktime.location.iso6709"),
}


def recorded(*said: Mapping[str, str]) -> Mapping[str, str]:
    """Return `creation_time` (ISO 8601) and `location` (ISO 6709), those that are there.

    `said` is the metadata of a container and of its streams, the first before the others; Matroska writes names in
    capitals.
    """
    facts: dict[str, str] = {}
    for metadata in said:
        lowered = {name.lower(): text for name, text in metadata.items()}
        for fact, names in _NAMES.items():
            found = next((lowered[name] for name in names if lowered.get(name)), None)
            if found:
                facts.setdefault(fact, found)
    return facts
