// A dialog that takes pictures with the camera, for which it shows what the camera sees.

const dialog = document.getElementById("camera-dialog");
const video = document.getElementById("camera-video");
const trouble = document.getElementById("camera-trouble");
const shutter = document.getElementById("camera-take");
let count = 0;

/** The dialog; `open()` shows it, and each picture that is taken goes, as a File, to `onPicture`. */
export function makeCamera(onPicture) {
  shutter.addEventListener("click", async () => {
    onPicture(await takePicture());
    dialog.close();
  });
  dialog.addEventListener("close", stop);
  document.getElementById("camera-close").addEventListener("click", () => dialog.close());
  return { open };
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
