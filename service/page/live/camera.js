// The camera as a source of the live view.

const INSECURE = "A browser gives the camera only to pages at https:// or localhost.";

/** Why there can be no camera here; "" if there may be one. */
export function obstacle() {
  if (!window.isSecureContext) return `${INSECURE} Open the page there, or choose a video.`;
  return navigator.mediaDevices ? "" : "This browser has no access to cameras. Choose a video.";
}

/** The cameras [{id, name}, ...]; their names are known after the visitor has allowed the use of one. */
export async function listCameras() {
  const devices = await navigator.mediaDevices.enumerateDevices();
  return devices
    .filter(({ kind }) => kind === "videoinput")
    .map(({ deviceId, label }, index) => ({ id: deviceId, name: label || `Camera ${index + 1}` }));
}

/** Show a camera in `video`, the one at the back of a phone if `id` is null; throws DOMException -> its id. */
export async function openCamera(video, id = null) {
  const which = id ? { deviceId: { exact: id } } : { facingMode: "environment" };
  const size = { width: { ideal: 1280 }, height: { ideal: 720 } };
  const stream = await navigator.mediaDevices.getUserMedia({ video: { ...which, ...size } });
  video.srcObject = stream;
  await video.play();
  return stream.getVideoTracks()[0].getSettings().deviceId;
}

/** Stop what `video` shows, and with it the light of the camera. */
export function closeSource(video) {
  for (const track of video.srcObject?.getTracks() ?? []) track.stop();
  video.srcObject = null;
  if (video.src) URL.revokeObjectURL(video.src);
  video.removeAttribute("src");
  video.load();
}
