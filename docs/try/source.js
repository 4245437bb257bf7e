// The sources of pictures: a photo, a clip, the webcam. Each is {name, live, drawable, height, width, next, ended, close}.

const MOST_PIXELS = 50e6;

// An error that the user can fix; its message is a sentence.
export class Refusal extends Error {}

export async function openFile(file) {
  const address = URL.createObjectURL(file);
  try {
    return await openPhoto(file.name, address, () => URL.revokeObjectURL(address));
  } catch (error) {
    if (error instanceof Refusal) {
      URL.revokeObjectURL(address);
      throw error;
    }
  }
  try {
    return await openClip(file.name, address);
  } catch {
    URL.revokeObjectURL(address);
    throw new Refusal(`${file.name} is not a photo or clip that this browser can show: choose a JPEG, PNG, WebP, MP4 or WebM.`);
  }
}

async function openPhoto(name, address, close) {
  const photo = new Image();
  photo.src = address;
  // Its size is known before it is decoded.
  await new Promise((resolve, reject) => Object.assign(photo, { onload: resolve, onerror: reject }));
  const { naturalHeight: height, naturalWidth: width } = photo;
  const megapixels = Math.round((height * width) / 1e6);
  if (height * width > MOST_PIXELS) {
    throw new Refusal(`${name} has ${megapixels} megapixels (${width}x${height}), but this page takes at most ${MOST_PIXELS / 1e6}: make it smaller first.`);
  }
  if (!height || !width) throw new Refusal(`${name} has no size of its own: choose a JPEG, PNG or WebP.`);
  await photo.decode();
  return { name, live: false, drawable: photo, height, width, next: async () => {}, ended: () => true, close };
}

async function openClip(name, address) {
  const video = document.createElement("video");
  Object.assign(video, { src: address, muted: true, playsInline: true, loop: true });
  return playing(name, video, () => URL.revokeObjectURL(address));
}

export async function openCamera() {
  if (!navigator.mediaDevices) throw new Refusal("The browser blocks the camera at this address: open the page over https or as localhost.");
  let stream;
  try {
    stream = await navigator.mediaDevices.getUserMedia({ video: { width: { ideal: 1280 } } });
  } catch (error) {
    if (error.name === "NotAllowedError") {
      throw new Refusal("Camera access was denied: allow it next to the address of the page, and try again.");
    }
    if (error.name === "NotFoundError") throw new Refusal("No camera was found: connect one, or choose a file.");
    throw new Refusal(`The camera does not start: ${error.message}. Another program may be using it.`);
  }
  const video = document.createElement("video");
  Object.assign(video, { srcObject: stream, muted: true, playsInline: true });
  const close = () => stream.getTracks().forEach((track) => track.stop());
  try {
    return await playing("the webcam", video, close);
  } catch (error) {
    close();
    throw new Refusal(`The camera shows nothing: ${error.message}.`);
  }
}

async function playing(name, video, letGo) {
  await new Promise((resolve, reject) => Object.assign(video, { onloadeddata: resolve, onerror: reject }));
  if (!video.videoWidth) throw new Error("it has no picture");
  await video.play();
  let closed = false;
  return {
    name,
    live: true,
    drawable: video,
    get height() { return video.videoHeight; },
    get width() { return video.videoWidth; },
    // Waits for the next new frame; a clip in a hidden tab waits.
    next: () => new Promise((resolve) => (video.requestVideoFrameCallback ?? requestAnimationFrame).call(
      video.requestVideoFrameCallback ? video : window, resolve)),
    ended: () => closed,
    close() {
      closed = true;
      video.pause();
      video.removeAttribute("src");
      video.srcObject = null;
      letGo();
    },
  };
}
