// Numbers for people, in the same units as the commands.

const UNITS = ["B", "kB", "MB", "GB", "TB", "PB", "EB"]

/** A number of bytes: `1.2 GB`. */
export function bytes(count) {
  let unit = 0
  let value = Number(count) || 0
  while (value >= 999.95 && unit < UNITS.length - 1) {
    value /= 1000
    unit += 1
  }
  return unit === 0 ? `${Math.round(value)} B` : `${value.toFixed(1)} ${UNITS[unit]}`
}

/** Bytes a second: `34.0 MB/s`. */
export function rate(perSecond) { return `${bytes(perSecond)}/s` }

/** A time in seconds: `2 h 5 min`. */
export function duration(seconds) {
  const whole = Math.max(0, Math.round(seconds))
  if (whole < 60) return `${whole} s`
  const minutes = Math.floor(whole / 60)
  if (minutes < 60) return `${minutes} min`
  const hours = Math.floor(minutes / 60)
  if (hours < 48) return `${hours} h ${minutes % 60} min`
  return `${Math.floor(hours / 24)} days`
}

/** How long ago a time was, in seconds since 1970. */
export function ago(seconds) {
  if (!seconds) return ""
  const age = Date.now() / 1000 - seconds
  return age < 60 ? "just now" : `${duration(age)} ago`
}

/** A round trip: `12.3 ms`. */
export function roundTrip(milliseconds) {
  return milliseconds < 1 ? `${milliseconds.toFixed(2)} ms` : `${milliseconds.toFixed(1)} ms`
}

/** A number with separators: `10,000`. */
export function count(number) { return Number(number).toLocaleString("en") }

/** `1 file`, `2 files`. */
export function counted(number, one, many = `${one}s`) { return `${count(number)} ${number === 1 ? one : many}` }

/** The beginning of an ID or a hash. */
export function short(id) { return String(id ?? "").slice(0, 10) }

/**
 * Text of others for one line: characters that would turn the direction of the text or break the line are shown as a box.
 */
export function plain(text) {
  return String(text ?? "").replace(/[\u0000-\u001f\u007f-\u009f\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g, "\ufffd")
}
