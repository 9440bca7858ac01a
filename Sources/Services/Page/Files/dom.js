// Elements, made by name and filled by text: whatever others have named a file or a node never becomes markup.

const SVG = "http://www.w3.org/2000/svg"

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value)
    else node.setAttribute(name, value === true ? "" : String(value))
  }
  node.append(...children.filter((child) => child !== null && child !== undefined && child !== false))
  return node
}

/** An HTML element; a child that is text becomes text. */
export function element(name, attributes = {}, ...children) {
  return fill(document.createElement(name), attributes, children)
}

/** An SVG element. */
export function drawing(name, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, name), attributes, children)
}

/** Sets the text of an element, unless it is the same: a selection in it survives. */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text
}

/** Sets or removes an attribute, unless it is the same. */
export function setAttribute(node, name, value) {
  if (value === null || value === undefined || value === false) node.removeAttribute(name)
  else if (node.getAttribute(name) !== String(value)) node.setAttribute(name, value === true ? "" : String(value))
}

const rows = new WeakMap()

/**
 * Makes the children of a list those of the items: rows that stay are updated in place, so that the focus, a selection and
 * what is unfolded stay too. `make` returns `{node, update}`.
 */
export function reconcile(parent, items, keyOf, make) {
  const old = rows.get(parent) ?? new Map()
  const next = new Map()
  let place = parent.firstChild
  for (const item of items) {
    const key = keyOf(item)
    if (next.has(key)) continue
    const row = old.get(key) ?? make(item)
    next.set(key, row)
    row.update(item)
    if (row.node === place) place = place.nextSibling
    else parent.insertBefore(row.node, place)
  }
  for (const [key, row] of old) if (!next.has(key)) row.node.remove()
  rows.set(parent, next)
}

/** Announces a text to a screen reader. */
export function say(text) {
  const place = document.getElementById("said")
  if (place) place.textContent = text
}

/** A button that copies a text. */
export function copyButton(label, text) {
  const button = element("button", { type: "button", class: "small", "aria-label": label, title: label }, "Copy")
  button.addEventListener("click", async () => {
    const value = text()
    try {
      await navigator.clipboard.writeText(value)
    } catch {
      // Over plain HTTP to another name than localhost there is no clipboard: the user can copy from a field.
      window.prompt("Copy this text:", value)
      return
    }
    button.textContent = "Copied"
    say("Copied")
    setTimeout(() => { button.textContent = "Copy" }, 1500)
  })
  return button
}
