// The feeds on this node, and the latest messages of a subfeed, which arrive as they are appended.

import { copyButton, element, reconcile, setAttribute, setText } from "/page/dom.js"
import { count, counted, plain, short } from "/page/format.js"

/** Messages that are shown. */
const LATEST = 25
const LONGEST_MESSAGE = 4000
/** Messages that take one line. */
const SHORT_MESSAGE = 120

export function feedsView(root, { connection, state }) {
  const list = element("ul", { class: "plain rows", id: "feed-list" })
  const none = element("p", { class: "muted" }, "No feed is on this node.")
  const problem = element("p", { class: "problem", hidden: true })
  const messages = element("section", { class: "card preview", id: "messages", "aria-label": "Messages", tabindex: "-1", hidden: true })
  root.append(element("div", { class: "browser" },
    element("section", { class: "card", "aria-labelledby": "feeds-title" }, element("h2", { id: "feeds-title" }, "Feeds"), problem, none, list), messages))
  let kept = null
  let follower = null

  async function ask() {
    try {
      const { feeds } = await connection.get("/v1/feeds")
      problem.hidden = true
      none.hidden = feeds.length > 0
      reconcile(list, feeds, (feed) => feed.feedId, (feed) => feedRow(feed, connection, follow))
    } catch (error) {
      problem.hidden = false
      setText(problem, error.message)
    }
  }

  function follow(feed, subfeed, button) {
    follower?.abort()
    for (const other of list.querySelectorAll("button[aria-current]")) other.removeAttribute("aria-current")
    button.setAttribute("aria-current", "true")
    follower = new AbortController()
    messages.hidden = false
    root.firstChild.classList.add("split")
    showMessages(messages, feed, subfeed, connection, follower.signal)
    messages.focus({ preventScroll: true })
    if (innerWidth < 900) messages.scrollIntoView({ block: "start" })
  }

  return {
    session() { kept = null },
    open() { if (state.session) ask() },
    update(name) {
      if (name !== "status") return
      const now = state.status.stats.kachery_feed_messages_total ?? 0
      if (kept !== null && now !== kept) ask()
      kept = now
    },
  }
}

function feedRow(first, connection, follow) {
  let feed = first
  const name = element("strong", { class: "break" })
  const writer = element("span", { class: "tag" }, "written here")
  const figures = element("span", { class: "figures muted" })
  const subfeeds = element("ul", { class: "plain inner" })
  const details = element("details", {}, element("summary", {}, element("span", { class: "line" }, name, writer, figures)),
    element("p", {}, element("code", { class: "break" }, `feed://${feed.feedId}`), " ", copyButton("Copy the feed's address", () => `feed://${feed.feedId}`)), subfeeds)
  async function unfold() {
    try {
      const described = await connection.get(`/v1/feeds/${feed.feedId}`)
      reconcile(subfeeds, described.subfeeds, (subfeed) => subfeed.subfeedHash, () => {
        const title = element("span", { class: "name break" })
        const number = element("span", { class: "figures muted" })
        const button = element("button", { type: "button", class: "file" }, title, number)
        let latest = null
        button.addEventListener("click", () => follow(feed, latest, button))
        return {
          node: element("li", {}, button),
          update(subfeed) {
            latest = subfeed
            setText(title, subfeed.name === null ? `hash ${short(subfeed.subfeedHash)}…` : plain(typeof subfeed.name === "string" ? subfeed.name : JSON.stringify(subfeed.name)))
            setText(number, counted(subfeed.messages, "message"))
            setAttribute(button, "title", subfeed.subfeedHash)
          },
        }
      })
    } catch (error) {
      subfeeds.replaceChildren(element("li", { class: "problem" }, error.message))
    }
  }
  details.addEventListener("toggle", () => { if (details.open) unfold() })
  return {
    node: element("li", {}, details),
    update(next) {
      const hasMore = next.messages !== feed.messages || next.subfeeds !== feed.subfeeds
      feed = next
      setText(name, plain(feed.names.join(", ")) || `feed ${short(feed.feedId)}…`)
      writer.hidden = !feed.isWriteable
      setText(figures, `${counted(feed.subfeeds, "subfeed")}, ${counted(feed.messages, "message")}`)
      if (details.open && hasMore) unfold()
    },
  }
}

async function showMessages(place, feed, subfeed, connection, signal) {
  const list = element("ol", { class: "plain messages" })
  const title = subfeed.name === null ? `hash ${short(subfeed.subfeedHash)}…` : plain(String(subfeed.name))
  const status = element("p", { class: "muted" }, "Loading the messages…")
  place.replaceChildren(element("h2", { class: "break" }, title), status, list)
  place.setAttribute("aria-label", `Messages of ${title}`)
  let position = Math.max(0, subfeed.messages - LATEST)
  for (let wait = 0; !signal.aborted; wait = 20000) {
    let batch
    try {
      const answer = await connection.post("/feed/watchForNewMessages", {
        subfeedWatches: { w: { feedId: feed.feedId, subfeedHash: subfeed.subfeedHash, position, channelName: "*local*" } },
        waitMsec: wait, maxNumMessages: LATEST,
      }, signal)
      batch = answer.messages?.w ?? []
    } catch (error) {
      if (signal.aborted) return
      setText(status, `${error.message} Trying again…`)
      await new Promise((resume) => setTimeout(resume, 3000))
      continue
    }
    if (signal.aborted) return
    for (const message of batch) {
      const lines = JSON.stringify(message, null, 1)
      // A line break within a text is written as such, so these are only between values.
      const line = lines.replace(/\n */g, " ")
      const text = line.length <= SHORT_MESSAGE ? line : lines
      list.prepend(element("li", {}, element("span", { class: "muted" }, `${count(position)}`),
        element("code", { class: "break" }, text.length > LONGEST_MESSAGE ? `${text.slice(0, LONGEST_MESSAGE)}…` : text)))
      position += 1
    }
    while (list.children.length > LATEST) list.lastChild.remove()
    setText(status, position === 0 ? "No messages yet; new ones appear here." : "The latest first; new ones appear here.")
  }
}
