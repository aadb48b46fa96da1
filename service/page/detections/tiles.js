// Large pictures in tiles: how many views of a picture the model sees, as service/detection/tiles.py makes them.

const OVERLAP = 0.25; // of a tile's side, with each neighbour
export const AUTO_FACTOR = 2; // times the sides of the model's input is an automatic tile
const STRIDE = 8; // pixels of the model's input for each cell of its finest feature map

/**
 * How many views an image of a size {width, height} has in tiles of a size: its tiles and itself, or itself alone.
 * The server may make automatic tiles larger than AUTO_FACTOR says, so that there are fewer.
 */
export function numViews(image, tile) {
  const count = numTiles(image.width, tile.width) * numTiles(image.height, tile.height);
  return count === 1 ? 1 : count + 1;
}

function numTiles(length, tile) {
  if (tile >= length) return 1;
  return 1 + Math.ceil((length - tile) / Math.max(1, Math.floor(tile * (1 - OVERLAP))));
}

/** The {width, height} of a tile: a number of pixels, or "auto" for a model with this input. */
export function tileSize(tile, input) {
  if (tile !== "auto") return { width: Number(tile), height: Number(tile) };
  return { width: AUTO_FACTOR * input.width, height: AUTO_FACTOR * input.height };
}

/** How many pixels of an image become one pixel of the model's input, along the side that shrinks more. */
export function shrinkage(image, input) {
  return Math.max(image.width / input.width, image.height / input.height);
}

/** The side in pixels below which an object of an image is smaller than a cell of the model's finest feature map. */
export function smallestSide(image, input) {
  return Math.ceil(STRIDE * shrinkage(image, input));
}
