// The browser of the store: search, preview, pin, verify, copy the URI, and store files that are dropped here.

import { copyButton, element, reconcile, say, setAttribute, setText } from "/page/dom.js"
import { ago, bytes, count, counted, plain, short } from "/page/format.js"
import { showPreview } from "/page/preview.js"

/** Files that are asked for at a time. */
const PAGE = 100

export function storeView(root, context) {
  const { connection, may } = context
  let files = []
  let total = 0
  let position = 0
  let selected = null
  let asking = null
  let isStale = true

  const search = element("input", { type: "search", id: "store-search", placeholder: "Name or SHA-1", autocomplete: "off", spellcheck: "false" })
  const summary = element("p", { class: "muted", role: "status" })
  const chooser = element("input", { type: "file", id: "store-files", multiple: true, class: "unseen" })
  const chooserLabel = element("label", { for: "store-files", class: "button primary" }, "Store files…")
  const storing = element("div", { class: "storing" }, chooser, chooserLabel, element("span", { class: "muted" }, "or drop them here"))
  const uploads = element("ul", { class: "plain rows", id: "upload-list" })
  const list = element("ul", { class: "plain files", id: "file-list" })
  const more = element("button", { type: "button" }, "Show more")
  const panel = element("section", { class: "card preview", id: "preview", "aria-label": "Preview", tabindex: "-1", hidden: true })
  const drop = element("section", { class: "card", "aria-labelledby": "store-title" },
    element("div", { class: "line" }, element("h2", { id: "store-title" }, "Stored files"), summary),
    element("div", { class: "line" },
      element("div", { class: "field" }, element("label", { for: "store-search" }, "Search"), search), storing),
    uploads, list, more)
  root.append(element("div", { class: "browser" }, drop, panel))

  // The list

  async function ask(isMore) {
    asking?.abort()
    const mine = asking = new AbortController()
    const skip = isMore ? position : 0
    try {
      const answer = await connection.post("/v1/store/search", { text: search.value.trim(), skip, limit: PAGE }, mine.signal)
      if (mine !== asking) return
      files = isMore ? [...files, ...answer.files] : answer.files
      total = answer.total
      position = skip + PAGE
      isStale = false
      showList()
    } catch (error) {
      if (mine === asking) setText(summary, error.message)
    }
  }

  function showList() {
    more.hidden = position >= total
    const found = search.value.trim() ? "found" : "stored"
    setText(summary, total > files.length ? `${counted(total, "file")} ${found}, the latest ${count(files.length)} shown` : `${counted(total, "file")} ${found}`)
    reconcile(list, files, (file) => file.sha1, fileRow)
  }

  function fileRow(first) {
    const name = element("span", { class: "name break" })
    const details = element("span", { class: "muted figures" })
    const pin = element("span", { class: "tag" }, "pinned")
    const button = element("button", { type: "button", class: "file" }, name, pin, details)
    let file = first
    button.addEventListener("click", () => select(file, true))
    return {
      node: element("li", {}, button),
      update(next) {
        file = next
        setText(name, plain(file.names[0] ?? "") || `sha1 ${short(file.sha1)}…`)
        pin.hidden = !file.isPinned
        const state = file.isValid ? "" : "target has changed · "
        setText(details, `${state}${bytes(file.bytes)} · ${ago(file.lastUse)}`)
        setAttribute(button, "aria-current", selected?.sha1 === file.sha1 ? "true" : null)
      },
    }
  }

  // One file

  function select(file, focuses) {
    selected = file
    showList()
    showFile(focuses)
  }

  function showFile(focuses) {
    const file = selected
    panel.hidden = file === null
    root.firstChild.classList.toggle("split", file !== null)
    if (file === null) return
    const name = plain(file.names[0] ?? "") || short(file.sha1)
    const outcome = element("p", { class: "muted", role: "status" })
    const close = element("button", { type: "button", class: "small", "aria-label": "Close the preview" }, "Close")
    close.addEventListener("click", () => {
      select(null, false)
      search.focus()
    })
    const actions = element("div", { class: "actions" }, copyButton("Copy the URI", () => file.uri))
    actions.firstChild.textContent = "Copy URI"
    const act = (route, text, work) => {
      if (!may(route)) return
      const button = element("button", { type: "button", class: "small" }, text)
      button.addEventListener("click", async () => {
        button.disabled = true
        try { await work(outcome) } catch (error) { setText(outcome, error.message) }
        button.disabled = false
      })
      actions.append(button)
    }
    const isPinned = file.isPinned
    act(isPinned ? "/v1/store/unpin" : "/v1/store/pin", isPinned ? "Unpin" : "Pin", async () => {
      await connection.post(`/v1/store/${isPinned ? "unpin" : "pin"}`, { sha1s: [file.sha1] })
      file.isPinned = !isPinned
      say(isPinned ? `${name} is not pinned any more` : `${name} is pinned`)
      select(file, false)
    })
    act("/v1/store/verify", "Verify", (place) => verify(file, place))
    const body = element("div", { class: "body" }, element("p", { class: "muted" }, "Loading the preview…"))
    panel.replaceChildren(
      element("div", { class: "line" }, element("h2", { class: "break" }, name), close),
      element("p", { class: "muted break" }, `${bytes(file.bytes)} · `, element("code", {}, file.uri)),
      file.target ? element("p", { class: "muted break" }, `linked to ${plain(file.target)}`) : null ?? "",
      actions, outcome, body)
    setAttribute(panel, "aria-label", `Preview of ${name}`)
    if (focuses) {
      panel.focus({ preventScroll: true })
      if (panel.getBoundingClientRect().top > innerHeight * 0.6 || innerWidth < 900) panel.scrollIntoView({ block: "start" })
    }
    showPreview(body, file, connection, () => selected === file)
  }

  async function verify(file, place) {
    setText(place, "Verifying…")
    let result = "The daemon did not finish the check."
    await connection.messages("/v1/store/verify", { sha1s: [file.sha1] }, (message) => {
      if (message.type === "damaged") result = "Damaged: its bytes have another hash. It was set aside."
      else if (message.type === "brokenLink") result = "The file that is linked has changed."
      else if (message.type === "absent") result = "The file is not here any more."
      else if (message.type === "unreadable") result = `The file cannot be read: ${plain(message.reason)}`
      else if (message.type === "error") result = plain(message.error)
      else if (message.type === "finished" && result.startsWith("The daemon")) result = "Verified: the bytes have the file's hash."
    })
    setText(place, result)
  }

  // Storing

  async function store(chosen) {
    for (const file of chosen) {
      const bar = element("div", { class: "bar sent", role: "progressbar", "aria-label": file.name, "aria-valuemin": "0", "aria-valuemax": "100" }, element("div"))
      const text = element("span", { class: "figures" }, bytes(file.size))
      const row = element("li", {}, element("div", { class: "line" }, element("span", { class: "name break" }, plain(file.name)), text), bar)
      uploads.prepend(row)
      try {
        const reply = await connection.store(file, (sent, size) => {
          const percent = size > 0 ? Math.floor(sent / size * 100) : 100
          bar.firstChild.style.width = `${percent}%`
          bar.setAttribute("aria-valuenow", percent)
          setText(text, `${bytes(sent)} of ${bytes(size)}`)
        })
        bar.remove()
        setText(text, `stored as ${short(reply.sha1)}…`)
        say(`${file.name} is stored`)
        setTimeout(() => row.remove(), 10000)
      } catch (error) {
        bar.remove()
        text.className = "problem"
        setText(text, error.message)
        say(`${file.name} is not stored`)
      }
    }
    ask(false)
  }

  chooser.addEventListener("change", () => {
    store([...chooser.files])
    chooser.value = ""
  })
  const carriesFiles = (event) => may("/store") && [...(event.dataTransfer?.types ?? [])].includes("Files")
  root.addEventListener("dragover", (event) => {
    if (!carriesFiles(event)) return
    event.preventDefault()
    drop.classList.add("target")
  })
  root.addEventListener("dragleave", (event) => {
    if (!root.contains(event.relatedTarget)) drop.classList.remove("target")
  })
  root.addEventListener("drop", (event) => {
    drop.classList.remove("target")
    if (!carriesFiles(event)) return
    event.preventDefault()
    store([...event.dataTransfer.files])
  })
  let typing = null
  search.addEventListener("input", () => {
    clearTimeout(typing)
    typing = setTimeout(() => ask(false), 200)
  })
  more.addEventListener("click", () => ask(true))
  more.hidden = true

  let stored = null
  return {
    session() {
      isStale = true
      storing.hidden = !may("/store")
    },
    open() { if (isStale && context.state.session) ask(false) },
    update(name) {
      if (name === null && isStale && context.state.session) return ask(false)
      if (name !== "status") return
      // Files that were stored or loaded meanwhile.
      const stats = context.state.status.stats
      const now = (stats.kachery_files_stored_total ?? 0) + (stats.kachery_loads_finished_total ?? 0)
      if (stored !== null && now !== stored && position <= PAGE) ask(false)
      stored = now
    },
  }
}
