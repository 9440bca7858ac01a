// NumPy arrays (.npy, format versions 1 to 3): type, shape, and a plot of the values.

import { drawing, element } from "/page/dom.js"
import { bytes, count, plain } from "/page/format.js"

/** Points of a curve: about as many as a screen has columns. */
const POINTS = 800
const [WIDTH, HEIGHT] = [800, 260]
const LARGEST_PICTURE = 512

/** Reads a value of each type; the key is NumPy's code without the byte order. */
const READERS = {
  b1: [1, (view, at) => view.getUint8(at)], i1: [1, (view, at) => view.getInt8(at)], u1: [1, (view, at) => view.getUint8(at)],
  i2: [2, (view, at, little) => view.getInt16(at, little)], u2: [2, (view, at, little) => view.getUint16(at, little)],
  i4: [4, (view, at, little) => view.getInt32(at, little)], u4: [4, (view, at, little) => view.getUint32(at, little)],
  i8: [8, (view, at, little) => Number(view.getBigInt64(at, little))], u8: [8, (view, at, little) => Number(view.getBigUint64(at, little))],
  f2: [2, (view, at, little) => half(view.getUint16(at, little))],
  f4: [4, (view, at, little) => view.getFloat32(at, little)], f8: [8, (view, at, little) => view.getFloat64(at, little)],
  // Of a complex number, the absolute value.
  c8: [8, (view, at, little) => Math.hypot(view.getFloat32(at, little), view.getFloat32(at + 4, little))],
  c16: [16, (view, at, little) => Math.hypot(view.getFloat64(at, little), view.getFloat64(at + 8, little))],
}

function half(bits) {
  const [sign, exponent, fraction] = [bits & 0x8000 ? -1 : 1, bits >> 10 & 31, bits & 1023]
  if (exponent === 31) return fraction ? NaN : sign * Infinity
  return exponent ? sign * 2 ** (exponent - 15) * (1 + fraction / 1024) : sign * 2 ** -14 * fraction / 1024
}

/** The header of an array; throws if it is none. */
export function arrayHeader(data) {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength)
  const isLong = data[6] >= 2
  if (data.length < 12) throw new Error("The file ends in the header of the array.")
  const length = isLong ? view.getUint32(8, true) : view.getUint16(8, true)
  const start = isLong ? 12 : 10
  if (length > 65536 || data.length < start + length) throw new Error("The header of the array is too long.")
  const text = new TextDecoder().decode(data.subarray(start, start + length))
  const shape = /'shape':\s*\(([\d,\sL]*)\)/.exec(text)
  const order = /'fortran_order':\s*(True|False)/.exec(text)
  if (!shape || !order) throw new Error("The header of the array cannot be read.")
  const sizes = shape[1].split(",").map((size) => size.trim().replace(/L$/, "")).filter(Boolean).map(Number)
  if (sizes.length > 32 || !sizes.every(Number.isSafeInteger)) throw new Error("The array has no usable shape.")
  return {
    type: /'descr':\s*'([^']{1,40})'/.exec(text)?.[1] ?? null, shape: sizes, isFortran: order[1] === "True",
    start: start + length,
  }
}

/** The elements that show an array of which `data` is the beginning. */
export function showArray(data, size) {
  let header
  try { header = arrayHeader(data) } catch (error) { return [element("p", { class: "problem" }, error.message)] }
  const { type, shape, start } = header
  const facts = element("dl", { class: "facts" },
    element("div", {}, element("dt", {}, "Shape"), element("dd", {}, `(${shape.join(", ")}${shape.length === 1 ? "," : ""})`)),
    element("div", {}, element("dt", {}, "Type"), element("dd", {}, type === null ? "structured" : plain(type) + (header.isFortran ? ", column by column" : ""))))
  const [width, reader] = READERS[type?.slice(1)] ?? READERS[type] ?? []
  const total = shape.reduce((product, size) => product * size, 1)
  if (!reader) return [facts, element("p", { class: "muted" }, "Values of this type are not plotted.")]
  const known = Math.min(total, Math.floor((data.length - start) / width))
  if (known === 0) return [facts, element("p", { class: "muted" }, "The array has no values.")]
  const view = new DataView(data.buffer, data.byteOffset + start)
  const value = (index) => reader(view, index * width, type[0] !== ">")
  const part = known < total ? [element("p", { class: "muted" }, `The first ${count(known)} of ${count(total)} values (${bytes(size)} in all).`)] : []
  if (total === 1) return [facts, element("p", { class: "big" }, String(value(0)))]
  return [facts, ...plot(value, known, header), ...part]
}

function plot(value, known, { shape, isFortran }) {
  const lengths = shape.filter((size) => size > 1)
  const [rows, columns] = lengths.length > 1 ? lengths.slice(-2) : [1, lengths[0] ?? 1]
  // Of more than two dimensions, the first slice of the leading ones.
  const at = isFortran && lengths.length === 2 ? (row, column) => column * rows + row : (row, column) => row * columns + column
  if (lengths.length < 2 || (isFortran && lengths.length > 2)) return curves([(index) => value(index)], known)
  // In such a file the columns come one after the other, so what was read has all rows of the first ones.
  const wide = isFortran ? Math.floor(known / rows) : columns
  const high = isFortran ? rows : Math.min(rows, Math.floor(known / columns))
  if (wide === 0 || high === 0) return curves([(index) => value(index)], known)
  if (high <= 8) return curves(Array.from({ length: high }, (_, row) => (index) => value(at(row, index))), wide)
  if (wide <= 8) return curves(Array.from({ length: wide }, (_, column) => (index) => value(at(index, column))), high)
  return picture((row, column) => value(at(row, column)), high, wide, lengths.length > 2)
}

/** Curves of many values: the least and the largest value of each group, so that no spike is lost. */
function curves(functions, length) {
  const groups = Math.min(length, POINTS)
  let [least, most] = [Infinity, -Infinity]
  const lines = functions.map((value) => {
    const points = []
    for (let group = 0; group < groups; group += 1) {
      let [low, high] = [Infinity, -Infinity]
      const end = Math.max(Math.floor((group + 1) * length / groups), Math.floor(group * length / groups) + 1)
      for (let index = Math.floor(group * length / groups); index < end; index += 1) {
        const number = value(index)
        if (!Number.isFinite(number)) continue
        low = Math.min(low, number)
        high = Math.max(high, number)
      }
      if (low > high) {
        points.push(null)
        continue
      }
      points.push([group, low, high])
      least = Math.min(least, low)
      most = Math.max(most, high)
    }
    return points
  })
  if (least > most) return [element("p", { class: "muted" }, "The array has no finite values.")]
  const span = most - least || 1
  const x = (group) => (group / Math.max(1, groups - 1) * WIDTH).toFixed(1)
  const y = (number) => (8 + (HEIGHT - 16) * (1 - (number - least) / span)).toFixed(1)
  const paths = lines.map((points, index) => drawing("path", {
    class: `curve series-${index % 8}`,
    d: points.map((point, place) => point === null ? "" :
      `${place === 0 || points[place - 1] === null ? "M" : "L"}${x(point[0])} ${y(point[1])}${point[1] === point[2] ? "" : `L${x(point[0])} ${y(point[2])}`}`).join(""),
  }))
  return [
    drawing("svg", {
      viewBox: `0 0 ${WIDTH} ${HEIGHT}`, class: "plot array", role: "img", preserveAspectRatio: "none",
      "aria-label": `Plot of ${count(length)} values from ${number(least)} to ${number(most)}`,
    }, ...paths),
    element("p", { class: "muted" }, `from ${number(least)} to ${number(most)}`),
  ]
}

function number(value) { return Number.isInteger(value) && Math.abs(value) < 1e9 ? String(value) : value.toPrecision(5) }

/** Dark blue over green to yellow: equal steps of the values look equal, also without colors. */
const COLORS = [[68, 1, 84], [59, 82, 139], [33, 145, 140], [94, 201, 98], [253, 231, 37]]

function color(part) {
  const place = Math.min(0.9999, Math.max(0, part)) * (COLORS.length - 1)
  const index = Math.floor(place)
  return COLORS[index].map((start, channel) => start + (COLORS[index + 1][channel] - start) * (place - index))
}

/** A matrix as a picture: one pixel for each value, or for one of several. */
function picture(value, rows, columns, isSlice) {
  const [high, wide] = [Math.min(rows, LARGEST_PICTURE), Math.min(columns, LARGEST_PICTURE)]
  const values = new Float64Array(high * wide)
  let [least, most] = [Infinity, -Infinity]
  for (let row = 0; row < high; row += 1) {
    for (let column = 0; column < wide; column += 1) {
      const number = value(Math.floor(row * rows / high), Math.floor(column * columns / wide))
      values[row * wide + column] = number
      if (!Number.isFinite(number)) continue
      least = Math.min(least, number)
      most = Math.max(most, number)
    }
  }
  if (least > most) return [element("p", { class: "muted" }, "The array has no finite values.")]
  const label = `Picture of ${count(rows)} by ${count(columns)} values from ${number(least)} to ${number(most)}`
  const canvas = element("canvas", { width: wide, height: high, role: "img", "aria-label": label, class: "matrix" })
  const drawn = canvas.getContext("2d")
  const pixels = drawn.createImageData(wide, high)
  const span = most - least || 1
  values.forEach((number, index) => {
    const rgb = Number.isFinite(number) ? color((number - least) / span) : [128, 128, 128]
    pixels.data.set([...rgb, 255], index * 4)
  })
  drawn.putImageData(pixels, 0, 0)
  return [canvas, element("p", { class: "muted" }, `${isSlice ? "The first slice, from" : "from"} ${number(least)} (dark) to ${number(most)} (light)`)]
}
