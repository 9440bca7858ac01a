// The first view: this node, its storage, the throughput, and the transfers.

import { copyButton, element, reconcile, setAttribute, setText } from "/page/dom.js"
import { bytes, count, counted, duration, plain, rate, short } from "/page/format.js"
import { throughputPlot } from "/page/plot.js"

/** A row of a list of facts. */
function fact(name, ...value) {
  return element("div", {}, element("dt", {}, name), element("dd", {}, ...value))
}

/** `context` has `connection`, `state`, `may` and `nameOf`. */
export function overview(root, context) {
  const { state, connection } = context
  const plot = throughputPlot()
  const id = element("code", { class: "break" })
  const facts = Object.fromEntries(
    ["uptime", "listening", "introduces", "gateway", "directory", "links"].map((name) => [name, element("span", { class: "break" })]))
  const introduces = fact("Introduces", facts.introduces)
  const gateway = fact("Gateway", facts.gateway)
  const node = element("section", { class: "card", "aria-labelledby": "node-title" },
    element("h2", { id: "node-title" }, "This node"),
    element("dl", { class: "facts" },
      fact("Node ID", id, " ", copyButton("Copy the node ID", () => state.session?.nodeId ?? "")),
      fact("Running for", facts.uptime), fact("Reached by peers at", facts.listening),
      fact("Linked nodes", facts.links), introduces, gateway))

  const used = element("span", { class: "big" })
  const usedOf = element("span", { class: "muted" })
  const meter = element("div", { class: "meter" }, element("div"))
  const usage = element("p", { class: "muted" })
  const storage = element("section", { class: "card", "aria-labelledby": "storage-title" },
    element("h2", { id: "storage-title" }, "Storage"), element("p", {}, used, " ", usedOf), meter, usage,
    element("dl", { class: "facts" }, fact("Directory", facts.directory)))

  const transfers = element("ul", { class: "plain rows", id: "transfer-list" })
  const none = element("p", { class: "muted" }, "Nothing is being transferred at the moment.")
  root.append(
    element("div", { class: "columns" }, node, storage), plot.node,
    element("section", { class: "card", "aria-labelledby": "transfers-title" },
      element("h2", { id: "transfers-title" }, "Transfers"), none, transfers))

  let measuredAt = 0
  let measuring = false

  async function measure() {
    if (measuring || Date.now() - measuredAt < 30000) return
    measuring = true
    try {
      const usageNow = await connection.post("/v1/store/usage", {})
      measuredAt = Date.now()
      showUsage(usageNow)
    } catch (error) {
      setText(usage, error.message)
    } finally {
      measuring = false
    }
  }

  function showUsage(now) {
    const stored = now.stored.bytes
    const whole = now.limit ?? stored + now.available
    setText(used, bytes(stored))
    setText(usedOf, now.limit === null ? `${bytes(now.available)} free on the disk` : `of at most ${bytes(now.limit)}`)
    const part = whole > 0 ? Math.min(100, stored / whole * 100) : 0
    meter.firstChild.style.width = `${part}%`
    meter.classList.toggle("full", now.limit !== null && part > 95)
    const parts = [counted(now.stored.files, "file")]
    if (now.linked.files) parts.push(`${count(now.linked.files)} linked (${bytes(now.linked.bytes)})`)
    if (now.pinned.files) parts.push(`${count(now.pinned.files)} pinned`)
    if (now.trash.files) parts.push(`${bytes(now.trash.bytes)} in the trash`)
    if (now.damaged.files) parts.push(`${count(now.damaged.files)} damaged`)
    setText(usage, parts.join(" · "))
  }

  return {
    session() {
      setText(id, state.session.nodeId)
      setText(facts.directory, plain(state.session.storageDirectory))
      measuredAt = 0
      plot.interrupt()
    },
    /** Also while another view is shown: the plot has no gaps. */
    always(name) {
      if (name === "status") plot.add(state.status)
    },
    update(name) {
      if (name === null || name === "status") {
        measure()
        plot.draw()
        if (state.status) {
          setText(facts.uptime, duration(state.status.uptimeSeconds))
          setText(facts.listening, plain(state.status.listening) || "no port")
          setText(facts.links, count(state.status.linkedNodes))
          introduces.hidden = !state.status.introduces
          setText(facts.introduces, plain(state.status.introduces ?? ""))
          gateway.hidden = !state.status.gateway
          setText(facts.gateway, gatewayText(state.status.gateway))
        }
      }
      if (name === null || name === "transfers") {
        none.hidden = state.transfers.length > 0
        reconcile(transfers, state.transfers, (transfer) => transfer.id, (transfer) => transferRow(transfer, context))
      }
    },
  }
}

/** Where the gateway is, and of how many channels it serves files; the channels have no names here. */
function gatewayText(gateway) {
  if (!gateway) return ""
  const served = gateway.channels.filter((channel) => channel.isServed).length
  const channels = counted(gateway.channels.length, "channel")
  const part = served === gateway.channels.length ? channels : `${count(served)} of ${channels}`
  return `${plain(gateway.address)}, ${served === 0 ? "serves nothing" : `serves files of ${part}`}`
}

const TITLES = { batch: "Many files", uploads: "Small files" }

/** One transfer: what, how far, how fast, from or to whom. */
function transferRow(first, { nameOf }) {
  const name = element("span", { class: "name break" })
  const direction = element("span", { class: "tag" })
  const figures = element("span", { class: "figures" })
  const nodes = element("span", { class: "muted" })
  const bar = element("div", { class: "bar" }, element("div"))
  const isUpload = first.kind.startsWith("upload")
  setText(direction, isUpload ? "sending" : "loading")
  direction.classList.add(isUpload ? "sent" : "received")
  bar.classList.add(isUpload ? "sent" : "received")
  const node = element("li", {}, element("div", { class: "line" }, direction, name, figures), bar, nodes)
  return {
    node,
    update(transfer) {
      setText(name, plain(transfer.name || (transfer.sha1 ? `sha1 ${short(transfer.sha1)}…` : TITLES[transfer.kind] ?? transfer.kind)))
      const total = transfer.bytesTotal
      const part = total > 0 ? transfer.bytes / total : transfer.filesTotal > 0 ? transfer.filesEnded / transfer.filesTotal : null
      const amount = total > 0 ? `${bytes(transfer.bytes)} of ${bytes(total)}` : bytes(transfer.bytes)
      const files = transfer.filesTotal > 0 ? `${count(transfer.filesEnded)} of ${counted(transfer.filesTotal, "file")} · ` : ""
      setText(figures, `${files}${amount} · ${rate(transfer.bytesPerSecond)}`)
      bar.hidden = part === null
      if (part !== null) {
        const percent = Math.min(100, Math.floor(part * 100))
        bar.firstChild.style.width = `${percent}%`
        setAttribute(bar, "role", "progressbar")
        setAttribute(bar, "aria-label", name.textContent)
        setAttribute(bar, "aria-valuenow", percent)
        setAttribute(bar, "aria-valuemin", 0)
        setAttribute(bar, "aria-valuemax", 100)
      }
      setText(nodes, sentence(transfer, isUpload, nameOf))
    },
  }
}

function sentence(transfer, isUpload, nameOf) {
  if (transfer.waitsForNodeId) return `waits: ${nameOf(transfer.waitsForNodeId)} serves others first`
  if (transfer.nodeIds.length === 0) return isUpload ? "" : "looking for nodes that have it"
  const names = transfer.nodeIds.slice(0, 4).map(nameOf).join(", ")
  const more = transfer.nodeIds.length > 4 ? ` and ${transfer.nodeIds.length - 4} more` : ""
  return `${isUpload ? "to" : "from"} ${names}${more}`
}
