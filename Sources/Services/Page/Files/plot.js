// The throughput of the last minutes, drawn as lines.

import { drawing, element, setText } from "/page/dom.js"
import { bytes, rate } from "/page/format.js"

/** Seconds that are shown. */
const SPAN = 180
const [HEIGHT, LEFT, TOP, BOTTOM] = [210, 70, 12, 24]

/** The next round number of bytes, so that the lines of the grid have short labels. */
function ceiling(value) {
  const least = Math.max(value, 1000)
  const power = 10 ** Math.floor(Math.log10(least))
  return [1, 2, 4, 5, 10].map((step) => step * power).find((step) => step >= least) ?? 10 * power
}

/** A figure with `add(status)`, `draw()`, and `interrupt()` for the time without a connection. */
export function throughputPlot() {
  const values = []
  // A unit of the picture is one of the screen: its text is as large as all other text.
  let width = 1000
  const received = element("strong", { class: "received-text" }, "–")
  const sent = element("strong", { class: "sent-text" }, "–")
  const grid = drawing("g", { class: "grid" })
  const shapes = {
    received: [drawing("path", { class: "area received" }), drawing("path", { class: "curve received" })],
    sent: [drawing("path", { class: "area sent" }), drawing("path", { class: "curve sent" })],
  }
  const picture = drawing("svg", {
    viewBox: `0 0 ${width} ${HEIGHT}`, role: "img", "aria-label": "Throughput of the last three minutes", class: "plot",
  }, grid, ...shapes.received, ...shapes.sent)
  const node = element("section", { class: "card", "aria-labelledby": "throughput-title" },
    element("div", { class: "line" }, element("h2", { id: "throughput-title" }, "Throughput"),
      element("p", { class: "legend" },
        element("span", {}, element("span", { class: "key received" }), "receiving ", received),
        element("span", {}, element("span", { class: "key sent" }), "sending ", sent))),
    picture)

  function points(name, top, now) {
    const pieces = []
    let piece = []
    for (const value of values) {
      if (value === null) {
        if (piece.length) pieces.push(piece)
        piece = []
        continue
      }
      const x = LEFT + (width - LEFT) * (1 - (now - value.time) / SPAN)
      const y = TOP + (HEIGHT - TOP - BOTTOM) * (1 - value[name] / top)
      piece.push([Math.max(LEFT, x).toFixed(1), y.toFixed(1)])
    }
    if (piece.length) pieces.push(piece)
    return pieces
  }

  function drawGrid(top) {
    const floor = HEIGHT - BOTTOM
    const lines = [0, 0.5, 1].flatMap((part) => {
      const y = TOP + (floor - TOP) * (1 - part)
      return [
        drawing("line", { x1: LEFT, x2: width, y1: y, y2: y }),
        drawing("text", { x: LEFT - 8, y: y + 4, "text-anchor": "end" }, part === 0 ? "0" : `${bytes(top * part).replace(".0 ", " ")}/s`),
      ]
    })
    const times = [["3 min ago", LEFT, "start"], ["now", width, "end"]].map(([text, x, anchor]) =>
      drawing("text", { x, y: HEIGHT - 6, "text-anchor": anchor }, text))
    grid.replaceChildren(...lines, ...times)
  }

  return {
    node,
    add(status) {
      const time = performance.now() / 1000
      values.push({ time, received: status.receivedBytesPerSecond, sent: status.sentBytesPerSecond })
      while (values.length && (values[0] === null || time - values[0].time > SPAN + 2)) values.shift()
      setText(received, rate(status.receivedBytesPerSecond))
      setText(sent, rate(status.sentBytesPerSecond))
    },
    interrupt() { if (values.length && values.at(-1) !== null) values.push(null) },
    draw() {
      width = Math.max(240, picture.clientWidth || width)
      picture.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`)
      const known = values.filter((value) => value !== null)
      const now = performance.now() / 1000
      const top = ceiling(Math.max(0, ...known.flatMap((value) => [value.received, value.sent])))
      drawGrid(top)
      const floor = HEIGHT - BOTTOM
      for (const [name, [area, curve]] of Object.entries(shapes)) {
        const pieces = points(name, top, now)
        curve.setAttribute("d", pieces.map((piece) => `M${piece.map((point) => point.join(" ")).join("L")}`).join(""))
        area.setAttribute("d", pieces.map((piece) =>
          `M${piece[0][0]} ${floor}L${piece.map((point) => point.join(" ")).join("L")}L${piece.at(-1)[0]} ${floor}Z`).join(""))
      }
      const last = known.at(-1)
      if (last) {
        picture.setAttribute("aria-label",
          `Throughput of the last three minutes: receiving ${rate(last.received)} and sending ${rate(last.sent)} now`)
      }
    },
  }
}
