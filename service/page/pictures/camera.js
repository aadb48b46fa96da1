// Takes pictures with the camera: in a live view if the browser offers one, otherwise with the phone's camera app.

const dialog = document.getElementById("camera-dialog");
const video = document.getElementById("camera-video");
const trouble = document.getElementById("camera-trouble");
const shutter = document.getElementById("camera-take");
const fallback = document.getElementById("camera-file");
let count = 0;

/** Show the `buttons` if there is a camera; pass each picture that is taken, as a File, to `onPicture`. */
export async function offerCamera(buttons, onPicture) {
  // without https a browser offers no live view, but a phone's file chooser can still take pictures
  const devices = (await navigator.mediaDevices?.enumerateDevices().catch(() => [])) ?? [];
  const isLive = devices.some(({ kind }) => kind === "videoinput");
  for (const button of buttons) {
    button.hidden = !isLive && !matchMedia("(pointer: coarse)").matches;
    button.addEventListener("click", () => (isLive ? open() : fallback.click()));
  }
  fallback.addEventListener("change", () => {
    for (const file of fallback.files) onPicture(file);
    fallback.value = "";
  });
  shutter.addEventListener("click", async () => {
    onPicture(await takePicture());
    dialog.close();
  });
  dialog.addEventListener("close", stop);
  document.getElementById("camera-close").addEventListener("click", () => dialog.close());
}

async function open() {
  trouble.textContent = "";
  shutter.disabled = true;
  dialog.showModal();
  try {
    const wish = { facingMode: "environment", width: { ideal: 1920 } };
    const stream = await navigator.mediaDevices.getUserMedia({ video: wish });
    video.srcObject = stream;
    await video.play();
    if (!dialog.open) stop(); // the visitor closed it while the browser asked for permission
    shutter.disabled = false;
    shutter.focus();
  } catch (error) {
    trouble.textContent = `The camera cannot be used: ${error.message}.`;
  }
}

function stop() {
  for (const track of video.srcObject?.getTracks() ?? []) track.stop();
  video.srcObject = null;
}

async function takePicture() {
  const canvas = document.createElement("canvas");
  canvas.width = video.videoWidth;
  canvas.height = video.videoHeight;
  canvas.getContext("2d").drawImage(video, 0, 0);
  const blob = await new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", 0.92));
  return new File([blob], `camera-${++count}.jpg`, { type: "image/jpeg" });
}
