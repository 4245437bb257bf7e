"""A server that speaks the protocol of Triton (KServe's v2, with binary data) for one artefact."""

import http.server
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from segrun.runners.open import open_runner


@contextmanager
def triton_server(artefact: Path) -> Iterator[str]:
    """Serve `artefact` under the name that `seg-export --triton` gives it; yields host and port."""
    path = f"/v2/models/{artefact.stem.replace('.', '_')}/infer"

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            length = int(self.headers["Inference-Header-Content-Length"])
            (asked,) = json.loads(body[:length])["inputs"]
            assert (self.path, asked["name"], asked["datatype"]) == (path, "frames", "UINT8")
            labels = runner(np.frombuffer(body[length:], np.uint8).reshape(asked["shape"]))
            size = {"binary_data_size": labels.nbytes}
            output = {"name": "labels", "datatype": "UINT8", "shape": list(labels.shape), "parameters": size}
            head = json.dumps({"model_name": path.split("/")[3], "outputs": [output]}).encode()
            self.send_response(200)
            self.send_header("Inference-Header-Content-Length", str(len(head)))
            self.send_header("Content-Length", str(len(head) + labels.nbytes))
            self.end_headers()
            self.wfile.write(head + labels.tobytes())

        def log_message(self, format: str, *args: object) -> None:
            pass

    with open_runner(artefact) as runner, http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()
