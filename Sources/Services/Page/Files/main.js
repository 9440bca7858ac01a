// The page: one connection, one state, and the views that show it.

import { Connection } from "/page/connection.js"
import { element, reconcile, setText, say } from "/page/dom.js"
import { plain } from "/page/format.js"
import { overview } from "/page/overview.js"
import { peersView } from "/page/peers.js"
import { channelsView } from "/page/channels.js"
import { storeView } from "/page/store.js"
import { feedsView } from "/page/feeds.js"

const at = (id) => document.getElementById(id)

/** What the daemon has said last, by the name of the event. */
const state = { session: null, status: null, transfers: [], peers: [], notices: [], channels: null }

const connection = new Connection({ event: receive, state: showConnection })

/** Whether the token may use a route. */
const may = (route) => state.session?.routes?.includes(route) ?? false

const context = { connection, state, may, nameOf }
const makers = {
  overview, peers: peersView, channels: channelsView, store: storeView, feeds: feedsView,
}
const views = Object.fromEntries(
  Object.entries(makers).map(([name, make]) => [name, make(at(`view-${name}`), context)]))
let current = "overview"

/** The name of a node: what it calls itself, or else the beginning of its ID. */
function nameOf(node) {
  if (node === state.session?.nodeId) return "this node"
  const peer = state.peers.find((other) => other.nodeId === node)
  return plain(peer?.label || "") || `node ${node.slice(0, 10)}`
}

// Events

function receive(name, data) {
  if (name === "session") {
    state.session = data
    at("views").hidden = false
    showSession()
    for (const view of Object.values(views)) view.session?.()
    show()
    return
  }
  if (name === "status") state.status = data
  else if (name in state) state[name] = data[name]
  else return
  if (name === "status") showLabel()
  if (name === "notices") showNotices()
  for (const view of Object.values(views)) view.always?.(name)
  views[current].update?.(name)
}

function showSession() {
  const { version, isBootstrapNode } = state.session
  setText(at("software"), `kachery ${version}${isBootstrapNode ? ", bootstrap node" : ""}`)
  setText(at("rights"), may("/v1/store/pin") ? "Full token" : may("/store") ? "Limited token" : "Reading token: this page changes nothing")
}

function showLabel() {
  const label = plain(state.status.label) || "kachery"
  setText(at("label"), label)
  document.title = `${label} – kachery`
}

function showNotices() {
  at("notices").hidden = state.notices.length === 0
  reconcile(at("notice-list"), state.notices, (notice) => `${notice.kind} ${notice.nodeId}`, () => {
    const summary = element("strong")
    const advice = element("span", { class: "muted" })
    return {
      node: element("li", {}, summary, element("br"), advice),
      update(notice) {
        setText(summary, plain(notice.summary))
        setText(advice, plain(notice.advice.join(" ")))
      },
    }
  })
}

// The connection

function showConnection(name, reason) {
  const pill = at("connection")
  pill.className = `pill ${name}`
  const texts = {
    live: "Live", lost: "Connection lost – trying again", refused: "No access", connecting: "Connecting…",
  }
  setText(pill, texts[name])
  document.body.classList.toggle("stale", name !== "live")
  const access = at("access")
  const wasHidden = access.hidden
  access.hidden = name !== "refused"
  if (name === "refused") {
    setText(at("access-reason"), reason)
    at("access-reason").hidden = !reason
    if (wasHidden || document.activeElement === at("token")) at("token").focus()
  } else {
    at("token").value = ""
  }
}

at("access-form").addEventListener("submit", (event) => {
  event.preventDefault()
  const token = at("token").value.trim()
  if (token) connection.use(token)
})

// Views

function show() {
  const wanted = location.hash.slice(1)
  const name = wanted in views ? wanted : "overview"
  const changed = name !== current
  current = name
  for (const key of Object.keys(views)) at(`view-${key}`).hidden = key !== name
  for (const link of document.querySelectorAll("nav a")) {
    if (link.hash === `#${name}`) link.setAttribute("aria-current", "page")
    else link.removeAttribute("aria-current")
  }
  views[name].open?.()
  views[name].update?.(null)
  if (changed) say(at(`view-${name}`).getAttribute("aria-label"))
}

window.addEventListener("hashchange", () => {
  // An address with a token may be opened in a tab that shows the page already.
  if (location.hash.startsWith("#token=")) {
    const token = new URLSearchParams(location.hash.slice(1)).get("token")
    history.replaceState(null, "", location.pathname)
    connection.use(token ?? "")
  } else if (location.hash !== "#main") {
    show()
  }
})

show()
connection.open()
