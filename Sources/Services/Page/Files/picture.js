// The paths to the linked nodes as a small picture: this node in the middle, a line for each path in use.

import { drawing, element } from "/page/dom.js"
import { plain, short } from "/page/format.js"

const HEIGHT = 340
/** More have no names in the picture; the list has them. */
const NAMED = 14
/** Nodes on each ring around this node. */
const RING = 34

const LINES = {
  lan: "local network", direct: "direct", punched: "direct", proxied: "proxy or WebSocket", webSocket: "proxy or WebSocket",
  relayed: "relayed",
}
const CLASSES = { "local network": "lan", "direct": "direct", "proxy or WebSocket": "proxied", "relayed": "relayed" }

/** Where each peer is drawn: on one ellipse, or on several rings if they are many. */
function places(peers, width) {
  const rings = Math.max(1, Math.ceil(peers.length / RING))
  const result = new Map()
  for (let ring = 0; ring < rings; ring += 1) {
    const group = peers.filter((_, index) => index % rings === ring)
    const scale = 1 - ring * 0.62 / rings
    group.forEach((peer, index) => {
      // Beginning at the left keeps the names of two nodes apart from each other.
      const angle = Math.PI + 2 * Math.PI * (index + ring * 0.5) / group.length
      const wide = peers.length > NAMED ? Math.min(0.45 * width, 420) : Math.min(width < 500 ? 0.5 * width - 95 : 0.33 * width, 280)
      result.set(peer.nodeId, {
        x: width / 2 + Math.cos(angle) * wide * scale, y: HEIGHT / 2 + Math.sin(angle) * HEIGHT * 0.4 * scale,
        right: Math.cos(angle) > -0.01,
      })
    })
  }
  return result
}

/** How wide the line of a path is: wider the more passes. */
function thickness(path) {
  const speed = path.receivedBytesPerSecond + path.sentBytesPerSecond
  return speed < 1000 ? 1.5 : Math.min(6, 1.5 + Math.log10(speed / 1000))
}

function clipped(text, most) { return text.length > most ? `${text.slice(0, most - 1)}…` : text }

export function pathPicture() {
  const picture = drawing("svg", { role: "img", class: "paths", "aria-label": "" })
  const legend = element("p", { class: "legend" })
  const node = element("div", { class: "picture" }, picture, legend)
  let last = ""
  return {
    node,
    draw(peers, usedPath) {
      node.hidden = peers.length === 0
      // Bootstrap nodes first: they are drawn beside each other, and lines through them do not cross all others.
      const order = [...peers].sort((a, b) => Number(b.isBootstrapNode) - Number(a.isBootstrapNode) || (a.nodeId < b.nodeId ? -1 : 1))
      const drawn = order.map((peer) => ({ peer, path: usedPath(peer) }))
      // A unit of the picture is one of the screen.
      const width = Math.max(280, picture.clientWidth || 760)
      const key = width + JSON.stringify(drawn.map(({ peer, path }) =>
        [peer.nodeId, peer.label, peer.isBootstrapNode, path?.kind, path?.relayNodeId, path ? Math.round(thickness(path) * 2) : 0]))
      if (key === last) return
      last = key
      picture.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`)
      const at = places(order, width)
      const middle = { x: width / 2, y: HEIGHT / 2 }
      const lines = []
      const dots = []
      const kinds = new Map()
      for (const { peer, path } of drawn) {
        const spot = at.get(peer.nodeId)
        const name = plain(peer.label) || short(peer.nodeId)
        if (path) {
          const kind = LINES[path.kind] ?? "direct"
          kinds.set(kind, (kinds.get(kind) ?? 0) + 1)
          const relay = at.get(path.relayNodeId)
          const points = [middle, ...(relay ? [relay] : []), spot]
          lines.push(drawing("polyline", {
            points: points.map(({ x, y }) => `${x.toFixed(1)},${y.toFixed(1)}`).join(" "),
            class: `path ${CLASSES[kind]}`, "stroke-width": thickness(path).toFixed(1),
          }))
        }
        dots.push(drawing("circle", {
          cx: spot.x.toFixed(1), cy: spot.y.toFixed(1), r: peers.length > 60 ? 3.5 : peer.isBootstrapNode ? 8 : 6,
          class: peer.isBootstrapNode ? "dot bootstrap" : "dot",
        }, drawing("title", {}, `${name}${path ? `: ${path.kind}` : ""}`)))
        if (peers.length <= NAMED) {
          dots.push(drawing("text", {
            x: (spot.x + (spot.right ? 13 : -13)).toFixed(1), y: (spot.y + 5).toFixed(1),
            "text-anchor": spot.right ? "start" : "end",
          }, clipped(name, width < 500 ? 11 : 20)))
        }
      }
      picture.replaceChildren(...lines, ...dots, drawing("circle", { cx: middle.x, cy: middle.y, r: 11, class: "dot own" }))
      const counts = [...kinds].sort()
      picture.setAttribute("aria-label",
        `This node and ${peers.length} peers; paths in use: ${counts.map(([kind, number]) => `${number} ${kind}`).join(", ") || "none"}`)
      legend.replaceChildren(...counts.map(([kind, number]) =>
        element("span", {}, element("span", { class: `stroke ${CLASSES[kind]}` }), `${kind} (${number})`)))
    },
  }
}
