import Primitives

extension SignedMessage {
  /// The JSON of the message inside a stored document; null if the document is damaged.
  package static func plain(_ text: [UInt8]) -> [UInt8] {
    // Cut out without parsing if the document has the form that this software writes: readers of many messages wait for
    // this.
    if let place = text.withUnsafeBufferPointer(placeOfMessage) { return Array(text[place]) }
    return ((try? JSONParser.parse(text))?["body"]?["message"] ?? .null).compactBytes
  }

  /// The range of the message in a document of that form; nil if the document has another form.
  private static func placeOfMessage(_ text: UnsafeBufferPointer<UInt8>) -> Range<Int>? {
    var position = 0
    func skip(_ expected: StaticString) -> Bool {
      let count = expected.utf8CodeUnitCount
      guard text.count - position >= count else { return false }
      for offset in 0..<count where text[position + offset] != expected.utf8Start[offset] { return false }
      position += count
      return true
    }
    guard skip(#"{"body":{"#) else { return nil }
    if skip(#""previousSignature":""#) {
      position += 2 * Signature.byteCount
      guard skip(#"","#) else { return nil }
    }
    guard skip(#""messageNumber":"#) else { return nil }
    while position < text.count, text[position] >= UInt8(ascii: "0"), text[position] <= UInt8(ascii: "9") {
      position += 1
    }
    guard skip(#","message":"#), position < text.count, text[position] == UInt8(ascii: "{") else { return nil }
    let start = position
    guard let end = endOfObject(text, from: start), end < text.count else { return nil }
    return text[end] == UInt8(ascii: ",") || text[end] == UInt8(ascii: "}") ? start..<end : nil
  }

  /// The index after the object that starts at `start`; nil if it does not end, or contains a line break, which events
  /// of a stream must not contain.
  private static func endOfObject(_ text: UnsafeBufferPointer<UInt8>, from start: Int) -> Int? {
    var depth = 0
    var isInString = false
    var position = start
    while position < text.count {
      let byte = text[position]
      guard byte >= 0x20 else { return nil }
      switch byte {
      case UInt8(ascii: "\\") where isInString: position += 1
      case UInt8(ascii: "\""): isInString.toggle()
      case UInt8(ascii: "{") where !isInString: depth += 1
      case UInt8(ascii: "}") where !isInString: depth -= 1
      default: break
      }
      position += 1
      if depth == 0 { return position }
    }
    return nil
  }
}
