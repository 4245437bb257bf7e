// The page: its controls, pictures and messages. The network runs in worker.js.
import { enlarge, maskPng, paint, shares } from "./picture.js";
import { openCamera, openFile, Refusal } from "./source.js";

const MOST_READ = 16e6; // pixels: some browsers have no larger canvas
const at = (id) => document.getElementById(id);
const canvas = at("canvas"), pen = canvas.getContext("2d");
const read = document.createElement("canvas"), reader = read.getContext("2d", { willReadFrequently: true });
const coloured = document.createElement("canvas");

let site; // models.json: {runtime, models: [{file, height, width, classes, colours, megabytes}]}
let worker, waiting = new Map(), asked = 0;
let source = null; // {name, live, draw, height, width, ended(), close()}
let loaded = null; // the model and backend that the worker has open
let shown = null; // {labels, height, width, model}: of the last picture
let turn = 0; // a new source or model ends the loop of the one before

function say(text, wrong = false) {
  at("say").textContent = text;
  at("say").classList.toggle("wrong", wrong);
}

function ask(message, transfer = []) {
  return new Promise((resolve, reject) => {
    waiting.set(++asked, { resolve, reject });
    worker.postMessage({ ...message, id: asked }, transfer);
  });
}

function start() {
  worker?.terminate();
  for (const { reject } of waiting.values()) reject(new Error("it was stopped"));
  waiting.clear();
  loaded = null;
  worker = new Worker(new URL("./worker.js", import.meta.url), { type: "module" });
  worker.onmessage = ({ data }) => {
    const { resolve, reject } = waiting.get(data.id) ?? {};
    waiting.delete(data.id);
    if (data.error) reject?.(new Error(data.error));
    else resolve?.(data);
  };
  worker.onerror = (event) => {
    event.preventDefault();
    for (const { reject } of waiting.values()) reject(new Error(event.message || "its worker did not start"));
    waiting.clear();
  };
}

async function load() {
  const model = site.models[at("model").value], backend = at("backend").value;
  const wanted = `${model.file} ${backend}`;
  if (loaded === wanted) return model;
  say(`Loading ${model.name}, ${model.megabytes} MB, and the runtime.`);
  try {
    at("threads").textContent = (await ask({ model, backend })).threads;
  } catch (error) {
    start(); // a runtime that failed once does not start again
    throw new Refusal(`${model.name} could not be loaded: ${error.message}. Choose another model, or reload the page.`);
  }
  loaded = wanted;
  return model;
}

// Segments what `source` shows, once or until it ends.
async function run() {
  const mine = ++turn, mySource = source;
  try {
    const model = await load();
    if (mine !== turn) return;
    at("stop").hidden = !mySource.live;
    say(mySource.live ? `Segmenting ${mySource.name}.` : `Looking at ${mySource.name}.`);
    const times = [];
    do {
      const answer = await segment(mySource);
      if (mine !== turn) return;
      show(answer, model);
      times.push(performance.now());
      if (times.length > 20) times.shift();
      const seconds = (times.at(-1) - times[0]) / 1000;
      at("fps").textContent = seconds ? ((times.length - 1) / seconds).toFixed(1) : "–";
      await mySource.next();
    } while (mySource.live && mine === turn && !mySource.ended());
    if (mine === turn) say(`${mySource.name}, ${mySource.width}x${mySource.height}, by ${model.name}.`);
  } catch (error) {
    if (mine !== turn) return;
    say(error instanceof Refusal ? error.message : `${mySource.name} was not segmented: ${error.message}.`, true);
  }
  if (mine === turn) at("stop").hidden = true;
}

function segment(from) {
  const scale = Math.min(1, Math.sqrt(MOST_READ / (from.height * from.width)));
  read.height = Math.max(1, Math.round(from.height * scale));
  read.width = Math.max(1, Math.round(from.width * scale));
  reader.drawImage(from.drawable, 0, 0, read.width, read.height);
  const { buffer } = reader.getImageData(0, 0, read.width, read.height).data;
  return ask({ pixels: buffer, height: read.height, width: read.width }, [buffer]);
}

function show({ labels, height, width, milliseconds }, model) {
  shown = { labels, height, width, model, name: source.name, toHeight: source.height, toWidth: source.width };
  coloured.height = height;
  coloured.width = width;
  coloured.getContext("2d").putImageData(new ImageData(paint(labels, model.colours), width, height), 0, 0);
  canvas.height = read.height;
  canvas.width = read.width;
  draw();
  canvas.hidden = at("mask").hidden = false;
  at("hint").hidden = true;
  at("drop").classList.add("full");
  at("milliseconds").textContent = `${milliseconds.toFixed(milliseconds < 10 ? 1 : 0)} ms`;
  at("shares").replaceChildren(...shares(labels).map(([label, share]) => row(model, label, share)));
}

function draw() {
  if (!shown) return;
  pen.globalAlpha = 1;
  pen.drawImage(read, 0, 0);
  pen.globalAlpha = at("alpha").value / 100;
  pen.imageSmoothingEnabled = false;
  pen.drawImage(coloured, 0, 0, canvas.width, canvas.height);
}

function row(model, label, share) {
  const line = document.createElement("li"), swatch = document.createElement("i"), percent = document.createElement("b");
  swatch.style.background = `rgb(${model.colours[label]})`;
  percent.textContent = `${(share * 100).toFixed(1)} %`;
  line.append(swatch, model.classes[label], percent);
  return line;
}

async function use(opening) {
  const mine = ++turn; // stops what is running
  say("Opening.");
  try {
    const found = await opening();
    if (mine !== turn) return found.close();
    source?.close();
    source = found;
    await run();
  } catch (error) {
    if (mine !== turn) return;
    at("stop").hidden = true;
    say(error instanceof Refusal ? error.message : `That did not work: ${error.message}.`, true);
  }
}

function stop() {
  turn++;
  source?.close();
  source = null;
  at("stop").hidden = true;
  say("Stopped.");
}

async function download() {
  const { labels, height, width, model, name, toHeight, toWidth } = shown;
  const large = enlarge(labels, height, width, toHeight, toWidth);
  const link = document.createElement("a");
  link.href = URL.createObjectURL(await maskPng(large, toHeight, toWidth, model.colours));
  link.download = `${name.replace(/\.[^.]*$/, "")}.labels.png`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

// Threads need two headers. A server that does not send them is helped by a service worker, after one reload.
async function isolate() {
  if (self.crossOriginIsolated || !navigator.serviceWorker || sessionStorage.isolated) return false;
  try {
    sessionStorage.isolated = "tried";
    await navigator.serviceWorker.register(new URL("./isolate.js", import.meta.url));
    await navigator.serviceWorker.ready;
    location.reload();
    return true;
  } catch {
    return false; // use one thread
  }
}

async function offerGpu() {
  const adapter = await navigator.gpu?.requestAdapter().catch(() => null);
  if (adapter) at("backend").add(new Option("graphics processor (WebGPU)", "webgpu"));
}

async function begin() {
  site = await (await fetch(new URL("./models.json", import.meta.url))).json();
  if (!site.runtime) {
    say("This site was built without ONNX Runtime Web, which runs the models here. Build it again with make docs, with npm installed.", true);
    return;
  }
  if (await isolate()) return;
  site.models.forEach((model, index) => {
    at("model").add(new Option(`${model.name}, ${model.megabytes} MB`, index, model.chosen, model.chosen));
  });
  await offerGpu();
  start();
  at("file").addEventListener("change", ({ target }) => {
    const [file] = target.files;
    target.value = ""; // the same file may be chosen again
    if (file) use(() => openFile(file));
  });
  at("webcam").addEventListener("click", () => use(openCamera));
  at("sample").addEventListener("click", () => use(async () => {
    const file = await (await fetch(new URL("./street.png", import.meta.url))).blob();
    return openFile(new File([file], "street.png", { type: "image/png" }));
  }));
  at("stop").addEventListener("click", stop);
  at("mask").addEventListener("click", download);
  at("alpha").addEventListener("input", draw);
  for (const id of ["model", "backend"]) at(id).addEventListener("change", () => source && run());
  addEventListener("dragover", (event) => event.preventDefault()); // also outside the frame, so that the browser does not open the file instead of the page
  at("drop").addEventListener("dragover", () => at("drop").classList.add("over"));
  at("drop").addEventListener("dragleave", () => at("drop").classList.remove("over"));
  addEventListener("drop", (event) => {
    event.preventDefault();
    at("drop").classList.remove("over");
    const [file] = event.dataTransfer.files;
    if (file) use(() => openFile(file));
  });
  for (const id of ["file", "webcam", "sample", "model", "backend"]) at(id).disabled = false;
  say("Ready. The runtime and the model are loaded with the first picture.");
}

begin().catch((error) => say(`The page did not start: ${error.message}.`, true));
