"""Reads the metrics of a run as Prometheus does."""

import urllib.request

from prometheus_client.parser import text_string_to_metric_families


def values(text: str) -> dict[str, float]:
    """Return each sample of the text format by its name and labels."""
    found = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = ",".join(f"{name}={value}" for name, value in sample.labels.items())
            found[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
    return found


def scrape(address: str) -> dict[str, float]:
    with urllib.request.urlopen(address, timeout=20) as answer:
        assert answer.headers["Content-Type"].startswith("text/plain; version=")
        return values(answer.read().decode())
