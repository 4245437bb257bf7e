"""mIoU against multiply-accumulates, a point a training run: which network is worth its work at which size.

    python benchmarks/accuracy_against_work.py PLOT.png NAME=RUN [NAME=RUN ...]

A RUN is a folder that seg-train wrote; its best epoch counts. Prints the same as a Markdown table.
"""

import sys
from pathlib import Path

from matplotlib.figure import Figure

from segtrain.network.checkpoint import load_checkpoint
from segtrain.report.plots import save
from segtrain.report.summary import cost_of


def main() -> None:
    """Draw and print."""
    plot, runs = Path(sys.argv[1]), dict(word.split("=", 1) for word in sys.argv[2:])
    figure = Figure(figsize=(7, 4.5), layout="constrained")
    axis = figure.subplots()
    points: dict[int, list[tuple[float, float, str]]] = {}
    print("| network | size | GMAC | parameters, M | mIoU 19 | mIoU | accuracy |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for name, folder in runs.items():
        _, spec = load_checkpoint(Path(folder) / "best.safetensors")
        cost, figures = cost_of(spec), spec.metrics or {}
        official = 100 * figures["miou_official"]
        points.setdefault(spec.height, []).append((cost.macs / 1e9, official, name))
        print(
            f"| {name} | {spec.height} | {cost.macs / 1e9:.2f} | {cost.parameters / 1e6:.2f} | {official:.1f} "
            f"| {100 * figures['miou']:.1f} | {100 * figures['pixel_accuracy']:.1f} |"
        )
    for size, found in sorted(points.items()):
        found.sort()
        axis.plot([macs for macs, _, _ in found], [miou for _, miou, _ in found], "o", label=f"{size} pixels")
        for macs, miou, name in found:
            axis.annotate(name, (macs, miou), textcoords="offset points", xytext=(6, -10), fontsize=8)
    axis.margins(x=0.25, y=0.1)
    axis.set(xscale="log", xlabel="GMAC a frame", ylabel="mIoU over 19 classes on val, percent")
    axis.set_title("Accuracy against work")
    axis.grid(alpha=0.3, which="both")
    axis.legend()
    save(figure, plot, dpi=120)


if __name__ == "__main__":
    main()
