// The pixels of a video at this moment, as a JPEG file.

const LONG_SIDE = 1280; // pixels; larger frames take longer to send than they gain
const QUALITY = 0.85;

/** The frame that `video` shows, scaled down to `longSide` -> {blob, width, height, seconds of the video}. */
export async function frameOf(video, { longSide = LONG_SIDE, quality = QUALITY } = {}) {
  const { videoWidth, videoHeight, currentTime: seconds } = video;
  const scale = Math.min(1, longSide / Math.max(videoWidth, videoHeight));
  const [width, height] = [Math.round(videoWidth * scale), Math.round(videoHeight * scale)];
  const canvas = Object.assign(document.createElement("canvas"), { width, height });
  canvas.getContext("2d", { alpha: false }).drawImage(video, 0, 0, width, height);
  const blob = await new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", quality));
  return { blob, width, height, seconds };
}
