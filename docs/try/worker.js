// Runs the network in a thread of its own, so that the page never freezes.
import { shrink } from "./picture.js";

const RUNTIMES = {
  wasm: { script: "./runtime/ort.wasm.bundle.min.mjs", wasm: "./runtime/ort-wasm-simd-threaded.wasm" },
  webgpu: { script: "./runtime/ort.webgpu.bundle.min.mjs", wasm: "./runtime/ort-wasm-simd-threaded.asyncify.wasm" },
};
let open = null; // {ort, session, height, width}

self.onmessage = async ({ data }) => {
  try {
    const { answer, transfer } = data.model ? await load(data.model, data.backend) : await segment(data);
    self.postMessage({ id: data.id, ...answer }, transfer);
  } catch (error) {
    self.postMessage({ id: data.id, error: String(error?.message ?? error) });
  }
};

// model: {file, height, width}.
async function load(model, backend) {
  await open?.session.release();
  open = null;
  const ort = await import(RUNTIMES[backend].script);
  ort.env.wasm.wasmPaths = { wasm: new URL(RUNTIMES[backend].wasm, import.meta.url).href };
  ort.env.wasm.numThreads = self.crossOriginIsolated ? navigator.hardwareConcurrency : 1;
  const file = await fetch(new URL(model.file, import.meta.url));
  if (!file.ok) throw new Error(`the server answered ${file.status}`);
  const bytes = new Uint8Array(await file.arrayBuffer());
  const session = await ort.InferenceSession.create(bytes, { executionProviders: [backend], logSeverityLevel: 3 });
  open = { ort, session, height: model.height, width: model.width };
  return { answer: { threads: ort.env.wasm.numThreads } };
}

// pixels: RGBA, of a picture of height x width. Answers with a class id for each pixel at the network's size.
async function segment({ pixels, height, width }) {
  const { ort, session } = open;
  const small = shrink(new Uint8ClampedArray(pixels), height, width, open.height, open.width);
  const started = performance.now();
  const frames = new ort.Tensor("uint8", small, [1, open.height, open.width, 3]);
  const { labels } = await session.run({ frames });
  const found = new Uint8Array(await labels.getData());
  const answer = { labels: found, height: open.height, width: open.width, milliseconds: performance.now() - started };
  return { answer, transfer: [found.buffer] };
}
