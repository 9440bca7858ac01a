// The joined channels and their members.

import { element, reconcile, setAttribute, setText } from "/page/dom.js"
import { count, counted, duration, plain, short } from "/page/format.js"

/** Members that are shown before the list is unfolded. */
const FEW = 30

export function channelsView(root, { state }) {
  const list = element("ul", { class: "plain", id: "channel-list" })
  const none = element("p", { class: "card muted" })
  root.append(none, list)
  return {
    update(name) {
      if (name !== null && name !== "channels" && name !== "session") return
      const channels = state.channels ?? []
      none.hidden = channels.length > 0
      if (state.session && !state.session.readsChannels) {
        setText(none, "The name of a channel admits whoever knows it, so it is shown only with the full token.")
      } else {
        setText(none, state.channels === null
          ? "Waiting for the channels…" : "No channel is joined yet. Join one with kachery join, or kachery channel join NAME-OR-URL.")
      }
      reconcile(list, channels, (channel) => channel.channelConfigUrl, channelCard)
    },
  }
}

const RIGHTS = { admin: "admin", messageProxy: "message proxy", dataProxy: "data proxy", public: "public" }

function rightsText(rights) {
  return ["listed", ...rights.map((right) => RIGHTS[right] ?? plain(right))].join(", ")
}

/** What this node is in the channel. */
function ownState(channel) {
  if (channel.kind === "name") return "member: everyone who knows the name is one"
  if (channel.isListed === null) return "unknown: the document could not be read yet"
  return channel.isListed ? rightsText(channel.rights ?? []) : "not listed in the document"
}

function channelCard(first) {
  const id = `channel-${Math.random().toString(36).slice(2)}`
  const title = element("h2", { class: "break", id })
  const facts = element("p", { class: "muted break" })
  const problem = element("p", { class: "problem" })
  const members = element("ul", { class: "plain chips" })
  const all = element("button", { type: "button", class: "small" })
  let isWhole = false
  let latest = first
  const row = {
    node: element("li", {}, element("section", { class: "card", "aria-labelledby": id }, title, facts, problem, members, all)),
    update(channel) {
      latest = channel
      setText(title, plain(channel.channelLabel || channel.channelConfigUrl))
      const parts = [channel.kind === "name" ? "by name" : plain(channel.channelConfigUrl), `this node: ${ownState(channel)}`]
      if (channel.secondsSinceRead !== null) parts.push(`read ${duration(channel.secondsSinceRead)} ago`)
      parts.push(`${counted(channel.memberCount, "other member")}, ${count(channel.onlineCount)} on line`)
      setText(facts, parts.join(" · "))
      setText(problem, plain(channel.problem ?? ""))
      problem.hidden = !channel.problem
      const shown = isWhole ? channel.members : channel.members.slice(0, FEW)
      reconcile(members, shown, (member) => member.nodeId, memberChip)
      all.hidden = channel.members.length <= FEW
      setText(all, isWhole ? "Show fewer" : `Show all ${count(channel.members.length)}`)
    },
  }
  all.addEventListener("click", () => {
    isWhole = !isWhole
    row.update(latest)
  })
  return row
}

function memberChip() {
  const name = element("span")
  const kind = element("span", { class: "muted" })
  const node = element("li", {}, name, kind)
  return {
    node,
    update(member) {
      setText(name, plain(member.label) || short(member.nodeId))
      const parts = [member.isLinked ? "linked" : "on line"]
      if (member.refuses) parts.push("refuses this node")
      if (member.rights?.length) parts.push(...member.rights.map((right) => RIGHTS[right] ?? plain(right)))
      setText(kind, ` ${parts.join(", ")}`)
      setAttribute(node, "class", member.isLinked ? "linked" : null)
      setAttribute(node, "title", `${member.nodeId} ${plain(member.version)}`)
    },
  }
}
