// ZIP archives of files that are stored as they are: https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT

const MAX_FILES = 0xfffe; // more, or more bytes, would need ZIP64
const MAX_BYTES = 0xfffffffe;
const VERSION = 20;
const MADE_BY_UNIX = 3 << 8;
const REGULAR_FILE = (0o100644 << 16) >>> 0; // in the attributes of Unix: everybody may read it
const UTF_8 = 1 << 11; // in the flags: the name is UTF-8

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let remainder = byte;
  for (let bit = 0; bit < 8; bit++) remainder = (remainder >>> 1) ^ (remainder & 1 ? 0xedb88320 : 0);
  return remainder;
});

/** The archive cannot hold another file. */
export class ZipLimitError extends Error {}

/** An archive; it keeps the files as Blobs, which a browser may hold on the disk. */
export class ZipArchive {
  #parts = [];
  #directory = [];
  #numBytes = 0;
  #stamp = dosTime(new Date());

  /** Add the Blob `content` as the file `name`, in folders if it has slashes; throws ZipLimitError. */
  async add(name, content) {
    const nameBytes = new TextEncoder().encode(name);
    const end = this.#numBytes + content.size + 76 + 2 * nameBytes.length;
    if (this.#directory.length === MAX_FILES || end + sizeOf(this.#directory) > MAX_BYTES) {
      throw new ZipLimitError("An archive holds at most 65,534 files and 4 GB");
    }
    const checksum = crc32(new Uint8Array(await content.arrayBuffer()));
    // general flags, method 0 (stored), time, date, checksum, size in the archive, size, length of the name
    const shared = [UTF_8, 0, ...this.#stamp, [checksum], [content.size], [content.size], nameBytes.length, 0];
    const local = [record([0x04034b50], VERSION, ...shared), nameBytes];
    const attributes = [0, 0, 0, [REGULAR_FILE], [this.#numBytes]]; // no comment, the first disk, no text
    this.#directory.push(record([0x02014b50], MADE_BY_UNIX | VERSION, VERSION, ...shared, ...attributes), nameBytes);
    this.#parts.push(...local, content);
    this.#numBytes += sizeOf(local) + content.size;
  }

  /** The archive with all files as a Blob. */
  finish() {
    const count = this.#directory.length / 2;
    const end = record([0x06054b50], 0, 0, count, count, [sizeOf(this.#directory)], [this.#numBytes], 0);
    return new Blob([...this.#parts, ...this.#directory, end], { type: "application/zip" });
  }
}

/** bytes -> their CRC-32, as an unsigned number. */
export function crc32(bytes) {
  let remainder = 0xffffffff;
  for (const byte of bytes) remainder = CRC_TABLE[(remainder ^ byte) & 0xff] ^ (remainder >>> 8);
  return (remainder ^ 0xffffffff) >>> 0;
}

/** Numbers as bytes, the least first: a number takes two of them, and one in brackets four. */
function record(...fields) {
  const bytes = new Uint8Array(fields.reduce((size, field) => size + (Array.isArray(field) ? 4 : 2), 0));
  const view = new DataView(bytes.buffer);
  let place = 0;
  for (const field of fields) {
    if (Array.isArray(field)) view.setUint32(place, field[0], true);
    else view.setUint16(place, field, true);
    place += Array.isArray(field) ? 4 : 2;
  }
  return bytes;
}

/** The time and the date in the form of MS-DOS: two seconds a step, years since 1980. */
function dosTime(date) {
  const time = (date.getHours() << 11) | (date.getMinutes() << 5) | (date.getSeconds() >> 1);
  return [time, ((date.getFullYear() - 1980) << 9) | ((date.getMonth() + 1) << 5) | date.getDate()];
}

function sizeOf(pieces) {
  return pieces.reduce((size, { length }) => size + length, 0);
}
