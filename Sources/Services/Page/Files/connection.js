// The connection to the daemon: the token, requests, and the stream of events.

const TOKEN_KEY = "kachery-token"
/** The status arrives each second: a stream that is silent for so long is lost. */
const SILENCE = 8000
const LONGEST_PAUSE = 5000

/** A refusal of the daemon. */
export class Refusal extends Error {
  constructor(status, message, code) {
    super(message)
    this.status = status
    this.code = code
  }
}

/** Takes the token out of the page's address, where it must not stay, and keeps it for this tab. */
function takeToken() {
  const query = new URLSearchParams(location.search)
  const fragment = new URLSearchParams(location.hash.slice(1))
  const given = query.get("token") ?? fragment.get("token")
  if (given === null) return sessionStorage.getItem(TOKEN_KEY)
  query.delete("token")
  const rest = query.toString()
  const hash = fragment.has("token") ? "" : location.hash
  history.replaceState(null, "", location.pathname + (rest ? `?${rest}` : "") + hash)
  sessionStorage.setItem(TOKEN_KEY, given)
  return given
}

export class Connection {
  #token = takeToken()
  #listeners
  #abort = null
  /** Ends every request when the page is left. */
  #page = new AbortController()
  #timer = null
  #silence = null
  #pause = 500

  /** `listeners` has `event(name, data)`, `state(name, text)`; a state is `connecting`, `live`, `lost` or `refused`. */
  constructor(listeners) {
    this.#listeners = listeners
    // A browser may keep a page that was left, with its requests, and has only six connections for all.
    window.addEventListener("pagehide", () => this.#page.abort())
    window.addEventListener("pageshow", (event) => {
      if (!event.persisted) return
      this.#page = new AbortController()
      this.open()
    })
  }

  get hasToken() { return Boolean(this.#token) }

  /** Uses another token from now on. */
  use(token) {
    this.#keep(token.trim())
    this.open()
  }

  #keep(token) {
    this.#token = token
    sessionStorage.setItem(TOKEN_KEY, token)
  }

  get headers() {
    if (!this.#token) return {}
    // A daemon on another machine takes the token that was issued to its users.
    return location.protocol === "https:"
      ? { "KACHERY-CLIENT-AUTH-CODE": this.#token, "Authorization": `Bearer ${this.#token}` }
      : { "KACHERY-CLIENT-AUTH-CODE": this.#token }
  }

  // Requests

  async #answer(path, options) {
    const signals = [this.#page.signal, options.signal].filter(Boolean)
    const answer = await fetch(path, {
      cache: "no-store", redirect: "error", ...options, signal: AbortSignal.any(signals),
      headers: { ...this.headers, ...options.headers },
    })
    if (answer.ok) return answer
    const text = (await answer.text()).slice(0, 1000)
    throw new Refusal(answer.status, text || `The daemon answered with status ${answer.status}.`,
      answer.headers.get("KACHERY-ERROR-CODE"))
  }

  /** The JSON of a route without a body. */
  async get(path) { return (await this.#answer(path, {})).json() }

  #post(path, body, signal) {
    return this.#answer(path, {
      method: "POST", body: JSON.stringify(body), headers: { "Content-Type": "application/json" }, signal,
    })
  }

  /** The JSON that answers a JSON body. */
  async post(path, body, signal) { return (await this.#post(path, body, signal)).json() }

  /** The bytes that answer a JSON body. */
  async bytes(path, body, signal) {
    return new Uint8Array(await (await this.#post(path, body, signal)).arrayBuffer())
  }

  /** Passes on each message of a message stream: frames of a length, `#` and JSON. */
  async messages(path, body, receive, signal) {
    const reader = (await this.#post(path, body, signal)).body.getReader()
    let pending = new Uint8Array()
    for (;;) {
      const { done, value } = await reader.read()
      if (done) return
      const joined = new Uint8Array(pending.length + value.length)
      joined.set(pending)
      joined.set(value, pending.length)
      pending = joined
      for (;;) {
        const mark = pending.indexOf(0x23)
        if (mark < 0) break
        const length = Number(new TextDecoder().decode(pending.subarray(0, mark)))
        if (!Number.isSafeInteger(length)) throw new Error("The daemon's answer is not a message stream.")
        if (pending.length < mark + 1 + length) break
        receive(JSON.parse(new TextDecoder().decode(pending.subarray(mark + 1, mark + 1 + length))))
        pending = pending.slice(mark + 1 + length)
      }
    }
  }

  /** Stores a file of this browser's machine, and reports how much was sent. */
  store(file, progress) {
    return new Promise((resolve, reject) => {
      // fetch does not report how much was sent.
      const request = new XMLHttpRequest()
      request.open("POST", "/store")
      for (const [name, value] of Object.entries(this.headers)) request.setRequestHeader(name, value)
      request.setRequestHeader("X-Kachery-Name", encodeURIComponent(file.name))
      request.upload.onprogress = (event) => progress(event.loaded, file.size)
      request.onerror = () => reject(new Error("The connection to the daemon was lost."))
      request.onload = () => {
        if (request.status !== 200) return reject(new Refusal(request.status, request.responseText.slice(0, 1000)))
        const reply = JSON.parse(request.responseText)
        if (reply.success) resolve(reply)
        else reject(new Error(reply.error ?? "The file was not stored."))
      }
      request.send(file)
    })
  }

  // Events

  /** Opens the stream, or opens it again. */
  open() {
    clearTimeout(this.#timer)
    this.#abort?.abort()
    if (!this.hasToken) return this.#listeners.state("refused", "")
    this.#abort = new AbortController()
    this.#read(this.#abort)
  }

  async #read(abort) {
    let refusal = null
    try {
      this.#watch(abort)
      const answer = await this.#answer("/v1/events?renew=token", { signal: abort.signal })
      const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader()
      let pending = ""
      for (;;) {
        const { done, value } = await reader.read()
        if (done) break
        this.#watch(abort)
        const events = (pending + value).split("\n\n")
        pending = events.pop()
        for (const event of events) this.#receive(event)
      }
    } catch (error) {
      if (error instanceof Refusal) refusal = error
    }
    clearTimeout(this.#silence)
    // Another stream has taken over, or the page was left.
    if (abort !== this.#abort || this.#page.signal.aborted) return
    if (refusal?.status === 403) return this.#listeners.state("refused", refusal.message)
    this.#listeners.state("lost", refusal?.message ?? "")
    this.#timer = setTimeout(() => this.open(), this.#pause)
    this.#pause = Math.min(this.#pause * 2, LONGEST_PAUSE)
  }

  #watch(abort) {
    clearTimeout(this.#silence)
    this.#silence = setTimeout(() => abort.abort(), SILENCE)
  }

  #receive(event) {
    let name = ""
    let data = ""
    for (const line of event.split("\n")) {
      if (line.startsWith("event: ")) name = line.slice(7)
      else if (line.startsWith("data: ")) data += line.slice(6)
    }
    if (!name || !data) return
    const value = JSON.parse(data)
    if (name === "token") return this.#keep(value.token)
    if (name === "session") {
      this.#pause = 500
      this.#listeners.state("live", "")
    }
    this.#listeners.event(name, value)
  }
}
