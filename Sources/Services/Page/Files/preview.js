// What is in a file: text, JSON, an image, a NumPy array, or the first bytes.

import { element } from "/page/dom.js"
import { bytes, plain } from "/page/format.js"
import { showArray } from "/page/array.js"

/** The beginning of a file, by which its kind is recognized. */
const HEAD = 64 * 1024
/** Larger documents are shown as text, up to the head. */
const LARGEST_JSON = 1024 * 1024
const LARGEST_IMAGE = 24 * 1024 * 1024
/** Bytes of an array that are read for its plot. */
const ARRAY = 8 * 1024 * 1024

const IMAGES = [
  ["image/png", [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]], ["image/jpeg", [0xff, 0xd8, 0xff]],
  ["image/gif", [0x47, 0x49, 0x46, 0x38]], ["image/bmp", [0x42, 0x4d]],
]

function begins(data, magic) { return magic.every((byte, index) => data[index] === byte) }

function imageType(data) {
  const known = IMAGES.find(([, magic]) => begins(data, magic))
  if (known) return known[0]
  // RIFF, four bytes of length, WEBP.
  return begins(data, [0x52, 0x49, 0x46, 0x46]) && begins(data.subarray(8), [0x57, 0x45, 0x42, 0x50]) ? "image/webp" : null
}

let address = null

/** Fills `body` with what is in the file, as long as `isWanted` says that it is still looked at. */
export async function showPreview(body, file, connection, isWanted) {
  if (address) URL.revokeObjectURL(address)
  address = null
  const show = (...nodes) => { if (isWanted()) body.replaceChildren(...nodes) }
  const read = (end) => connection.bytes("/downloadFileData", { fileKey: { sha1: file.sha1 }, startByte: 0, endByte: Math.min(end, file.bytes) })
  try {
    if (file.bytes === 0) return show(element("p", { class: "muted" }, "The file is empty."))
    const head = await read(HEAD)
    if (!isWanted()) return
    if (begins(head, [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59])) {
      const data = file.bytes > HEAD ? await read(ARRAY) : head
      return show(...showArray(data, file.bytes))
    }
    const type = imageType(head)
    if (type && file.bytes <= LARGEST_IMAGE) {
      const data = file.bytes > HEAD ? await read(LARGEST_IMAGE) : head
      if (!isWanted()) return
      address = URL.createObjectURL(new Blob([data], { type }))
      const picture = element("img", { src: address, alt: `The image ${plain(file.names[0] ?? "")}` })
      picture.addEventListener("error", () => show(element("p", { class: "problem" }, "This browser cannot show the image."), hexadecimal(head)))
      return show(picture)
    }
    const text = asText(head, file.bytes > HEAD)
    if (text === null) return show(hexadecimal(head), element("p", { class: "muted" }, `The first ${bytes(Math.min(512, head.length))} of ${bytes(file.bytes)}.`))
    if (/^\s*[[{]/.test(text) && file.bytes <= LARGEST_JSON) {
      const whole = file.bytes > HEAD ? asText(await read(LARGEST_JSON), false) : text
      const pretty = indented(whole)
      if (pretty !== null) return show(block(pretty, "JSON"))
    }
    const note = file.bytes > HEAD ? [element("p", { class: "muted" }, `The first ${bytes(HEAD)} of ${bytes(file.bytes)}.`)] : []
    show(block(text, "Text"), ...note)
  } catch (error) {
    show(element("p", { class: "problem" }, error.message))
  }
}

/** A text that scrolls, also by keyboard. */
function block(text, label) { return element("pre", { tabindex: "0", role: "region", "aria-label": label }, text) }

/** The bytes as text; null if they are none. A character that is cut off at the end does not count. */
function asText(data, isCut) {
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(data, { stream: isCut })
    // eslint-disable-next-line no-control-regex
    return /[\u0000-\u0008\u000e-\u001a]/.test(text) ? null : text
  } catch {
    return null
  }
}

function indented(text) {
  try { return JSON.stringify(JSON.parse(text), null, 2) } catch { return null }
}

function hexadecimal(data) {
  const lines = []
  for (let offset = 0; offset < Math.min(512, data.length); offset += 16) {
    const line = [...data.subarray(offset, offset + 16)]
    const digits = line.map((byte) => byte.toString(16).padStart(2, "0")).join(" ").padEnd(47)
    lines.push(`${offset.toString(16).padStart(4, "0")}  ${digits}  ${line.map((byte) => byte >= 32 && byte < 127 ? String.fromCharCode(byte) : ".").join("")}`)
  }
  return block(lines.join("\n"), "Bytes")
}
