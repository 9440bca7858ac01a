// The linked nodes: a picture of the paths to them, and a list.

import { copyButton, element, reconcile, setAttribute, setText } from "/page/dom.js"
import { bytes, counted, duration, plain, rate, roundTrip, short } from "/page/format.js"
import { pathPicture } from "/page/picture.js"

/** Lists that are longer can be filtered. */
const SHORT_LIST = 12

/** The kinds of paths, as people call them. */
export const KINDS = {
  lan: "local network", direct: "direct", punched: "direct, dialed by both", proxied: "through a proxy",
  webSocket: "WebSocket", relayed: "relayed",
}

/** The path in use: the first one, unless another is marked. */
export function usedPath(peer) { return peer.paths.find((path) => path.isInUse) ?? peer.paths[0] ?? null }

/** Where a path leads, in words. */
function place(path) {
  if (path.relayNodeId) return `through ${plain(path.relayLabel) || `node ${short(path.relayNodeId)}`}`
  return plain(path.address)
}

export function peersView(root, context) {
  const { state } = context
  const picture = pathPicture()
  const summary = element("p", { class: "muted" })
  const filter = element("input", { type: "search", id: "peer-filter", placeholder: "Name, ID or address", autocomplete: "off" })
  const search = element("div", { class: "field" }, element("label", { for: "peer-filter" }, "Filter"), filter)
  const list = element("ul", { class: "plain rows", id: "peer-list" })
  const none = element("p", { class: "muted" },
    "No node is linked at the moment. Nodes meet in channels: see ", element("code", {}, "kachery doctor"), ".")
  root.append(
    element("section", { class: "card", "aria-labelledby": "peers-title" },
      element("div", { class: "line" }, element("h2", { id: "peers-title" }, "Peers"), summary), picture.node, none),
    element("section", { class: "card", "aria-label": "List of peers" }, search, list))

  function update(name) {
    if (name !== null && name !== "peers") return
    const { peers } = state
    none.hidden = peers.length > 0
    list.parentElement.hidden = peers.length === 0
    search.hidden = peers.length <= SHORT_LIST
    const relayed = peers.filter((peer) => usedPath(peer)?.kind === "relayed").length
    setText(summary, `${counted(peers.length, "node")} linked${relayed ? `, ${relayed} of them relayed` : ""}`)
    picture.draw(peers, usedPath)
    const wanted = search.hidden ? "" : filter.value.trim().toLowerCase()
    const shown = wanted === "" ? peers : peers.filter((peer) =>
      [peer.label, peer.nodeId, peer.address].some((text) => text.toLowerCase().includes(wanted)))
    const order = [...shown].sort((a, b) => (a.label || "\uffff").localeCompare(b.label || "\uffff") || (a.nodeId < b.nodeId ? -1 : 1))
    reconcile(list, order, (peer) => peer.nodeId, peerRow)
  }
  filter.addEventListener("input", () => update(null))
  return { update }
}

function peerRow() {
  let id = ""
  const name = element("strong", { class: "break" })
  const role = element("span", { class: "tag" }, "bootstrap")
  const kind = element("span", { class: "tag" })
  const figures = element("span", { class: "figures" })
  const where = element("span", { class: "muted break" })
  const paths = element("ul", { class: "plain inner" })
  const about = element("p", { class: "muted break" })
  const fullID = element("code", { class: "break" })
  const title = element("summary", {}, element("span", { class: "line" }, name, role, kind, figures), where)
  const details = element("details", {}, title,
    element("p", {}, fullID, " ", copyButton("Copy the node ID", () => id)), about, paths)
  return {
    node: element("li", {}, details),
    update(peer) {
      const path = usedPath(peer)
      id = peer.nodeId
      setText(name, plain(peer.label) || short(peer.nodeId))
      role.hidden = !peer.isBootstrapNode
      setText(kind, KINDS[path?.kind] ?? plain(path?.kind ?? "no path"))
      setAttribute(kind, "class", `tag kind-${path?.kind === "relayed" ? "relayed" : "other"}`)
      const parts = []
      if (path?.roundTripMilliseconds !== null && path) parts.push(roundTrip(path.roundTripMilliseconds))
      const [incoming, outgoing] = ["receivedBytesPerSecond", "sentBytesPerSecond"].map((key) =>
        peer.paths.reduce((sum, other) => sum + other[key], 0))
      if (incoming >= 1000) parts.push(`↓ ${rate(incoming)}`)
      if (outgoing >= 1000) parts.push(`↑ ${rate(outgoing)}`)
      setText(figures, parts.join(" · "))
      setText(where, path ? place(path) : plain(peer.address))
      // What is folded is not seen.
      if (!details.open) return
      setText(fullID, peer.nodeId)
      const clock = Math.abs(peer.clockOffsetSeconds) > 1 ? ` · its clock is off by ${peer.clockOffsetSeconds} s` : ""
      const bad = peer.badAnswers > 0 ? ` · ${counted(peer.badAnswers, "wrong answer")}` : ""
      setText(about, `${plain(peer.version) || "unknown software"}${clock}${bad}`)
      reconcile(paths, peer.paths, (other) => `${other.kind} ${other.address} ${other.relayNodeId}`, pathRow)
    },
  }
}

function pathRow() {
  const text = element("span", { class: "break" })
  const more = element("span", { class: "muted" })
  return {
    node: element("li", {}, text, element("br"), more),
    update(path) {
      setText(text, `${path.isInUse ? "In use" : "In reserve"}: ${KINDS[path.kind] ?? plain(path.kind)}, ${place(path)} (${plain(path.reason)})`)
      const dialed = { thisNode: "dialed by this node", otherNode: "dialed by the other node" }[path.dialedBy] ?? "dialed by both nodes"
      const lanes = path.lanes ? ` · ${counted(path.lanes, "lane")}` : ""
      setText(more, `${bytes(path.bytesReceived)} received, ${bytes(path.bytesSent)} sent in ${duration(path.ageSeconds)} · ${dialed}${lanes}`)
    },
  }
}
