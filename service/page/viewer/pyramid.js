// A worker: decodes a large picture and cuts it, at several sizes, into tiles that a canvas draws quickly.
//
// Tiles, because a browser hands a whole bitmap to the graphics card even if a corner of it is drawn.
//
// It is sent a Blob, and answers with the levels, largest first: [{width, height, tiles: [{left, top, bitmap}, ...]},
// ...], or with null if the browser cannot decode the picture.

const SIDE = 1024; // pixels of a tile
const SMALLEST = 2048; // pixels of the longer side of the smallest level; smaller views take it, too

addEventListener("message", async ({ data }) => {
  const levels = await levelsOf(data).catch(() => null);
  const bitmaps = (levels ?? []).flatMap(({ tiles }) => tiles.map(({ bitmap }) => bitmap));
  postMessage(levels, { transfer: bitmaps });
});

async function levelsOf(blob) {
  const levels = [];
  let whole = await createImageBitmap(blob); // upright: it follows the orientation of EXIF
  for (;;) {
    levels.push({ width: whole.width, height: whole.height, tiles: await tilesOf(whole) });
    const [width, height] = [Math.ceil(whole.width / 2), Math.ceil(whole.height / 2)];
    const half = { resizeWidth: width, resizeHeight: height, resizeQuality: "medium" };
    const isLast = Math.max(width, height) < SMALLEST / 2;
    const next = isLast ? null : await createImageBitmap(whole, half);
    whole.close();
    if (isLast) return levels;
    whole = next;
  }
}

async function tilesOf(whole) {
  const tiles = [];
  for (let top = 0; top < whole.height; top += SIDE) {
    for (let left = 0; left < whole.width; left += SIDE) {
      const [width, height] = [Math.min(SIDE, whole.width - left), Math.min(SIDE, whole.height - top)];
      tiles.push({ left, top, bitmap: await createImageBitmap(whole, left, top, width, height) });
    }
  }
  return tiles;
}
