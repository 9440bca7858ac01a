import Crypto
package import Primitives

/// The code of a transfer: words that a person can dictate, and where the two nodes meet if not in one local network.
///
///     camel-stone-cloud-quick-tulip-music@boot.example.org:14507
///
/// Five random words hold 50 bits of secret. The sixth is their checksum, so that 1,023 of 1,024 typing errors that make
/// other words are noticed before anything is looked for.
package struct TransferCode: Hashable, Sendable {
  /// Words that are chosen at random, 10 bits each.
  package static let secretWords = 5
  /// Most places at which to meet.
  package static let maximumMeetingPoints = 4
  /// Most characters that are read.
  package static let maximumLength = 2_048
  /// Letters that are enough for each word.
  package static let abbreviation = 4

  /// The words with the checksum.
  package let words: [String]
  /// The bootstrap nodes at which the two meet; empty for the local network.
  package let meetingPoints: [Address]

  /// A new code.
  package init(meetingPoints: [Address], random: inout some RandomNumberGenerator) {
    let secret = (0..<Self.secretWords).compactMap { _ in WordList.words.randomElement(using: &random) }
    words = secret + [Self.checksum(of: secret)]
    self.meetingPoints = Array(meetingPoints.prefix(Self.maximumMeetingPoints))
  }

  /// Reads a code. Words may be separated by spaces, in capitals, and abbreviated to their first four letters.
  ///
  /// - Throws: `badRequest` with what is wrong.
  package init(_ text: String) throws(KacheryError) {
    guard text.utf8.count <= Self.maximumLength else {
      throw KacheryError(.badRequest, "The code is too long; it has \(Self.secretWords + 1) words.")
    }
    let (phrase, places) = text.cut(at: "@")
    meetingPoints = try places.map { (text) throws(KacheryError) in try Self.meetingPoints(in: String(text)) } ?? []
    words = try Self.words(in: phrase.lowercasedASCII)
  }

  private static func words(in phrase: String) throws(KacheryError) -> [String] {
    let given = Self.parts(of: phrase)
    var words: [String] = []
    for text in given {
      guard let word = WordList.word(text) else {
        let meant = WordList.nearest(to: text).map { " Did you mean '\($0)'?" } ?? ""
        throw KacheryError(.badRequest, "'\(text.prefix(40))' is not a word of codes.\(meant)")
      }
      words.append(word)
    }
    guard words.count == secretWords + 1 else {
      throw KacheryError(.badRequest, "A code has \(secretWords + 1) words, not \(words.count); check it.")
    }
    guard words.last == checksum(of: Array(words.dropLast())) else {
      throw KacheryError(
        .badRequest, "One of the code's words is wrong, or two are swapped: its last word does not fit. Check it.")
    }
    return words
  }

  /// The words of a phrase, which may end with a separator.
  static func parts(of phrase: String) -> [String] {
    phrase.utf8.split { $0 == UInt8(ascii: "-") || $0 <= 0x20 }.map { String(decoding: $0, as: UTF8.self) }
  }

  /// An IPv6 address has no brackets here: a shell would take them for a pattern.
  private static func meetingPoints(in text: String) throws(KacheryError) -> [Address] {
    let places = text.parts(separatedBy: ",")
    guard places.count <= maximumMeetingPoints else {
      throw KacheryError(.badRequest, "The code names more than \(maximumMeetingPoints) places to meet.")
    }
    var addresses: [Address] = []
    for place in places {
      let (host, port) = place.cut(atLast: ":")
      let colons = host.utf8.count { $0 == UInt8(ascii: ":") }
      let isPlain = colons > 1 && !host.begins(with: "[") && !place.begins(with: "w")
      let bracketed = isPlain ? "[\(host)]:\(port ?? "")" : String(place)
      guard let address = Address(bootstrap: bracketed) else {
        throw KacheryError(.badRequest, "'\(place.prefix(80))' in the code is not an address with a port.")
      }
      addresses.append(address)
    }
    return addresses
  }

  /// The words alone.
  package var phrase: String { words.joined(separator: "-") }

  /// The code as it is dictated and read.
  package var description: String {
    guard !meetingPoints.isEmpty else { return phrase }
    let places = meetingPoints.map { place in
      guard let endpoint = place.tcpEndpoint else { return place.description }
      return "\(endpoint.host):\(endpoint.port)"
    }
    return "\(phrase)@\(places.joined(separator: ","))"
  }

  /// The word that fits these.
  private static func checksum(of words: [String]) -> String {
    let digest = SHA256Digest.of(Array("kachery code 1\0\(words.joined(separator: "-"))".utf8))
    let number = Int(digest[0]) << 8 | Int(digest[1])
    return WordList.words[number % WordList.words.count]
  }

  /// How the code may continue if it begins so, for a shell: all words for the last part.
  package static func continuations(of text: String) -> [String] {
    guard text.utf8.count <= maximumLength, !text.contains(bytesOf: "@") else { return [] }
    let (head, tail) = text.cut(atLast: "-")
    let (complete, last) = tail.map { ("\(head)-", String($0)) } ?? ("", String(head))
    let before = parts(of: complete).count
    guard before <= secretWords else { return [] }
    return WordList.words.filter { $0.begins(with: last.lowercasedASCII) }.map {
      "\(complete)\($0)\(before < secretWords ? "-" : "")"
    }
  }
}

extension WordList {
  /// The word that a text names in full or by its first four letters or more; nil if there is none.
  static func word(_ text: String) -> String? {
    guard text.utf8.count >= TransferCode.abbreviation else { return nil }
    return words.first { $0.begins(with: text) }
  }

  /// The word that differs least from a mistyped one; nil if none is close.
  static func nearest(to text: String) -> String? {
    let typed = Array(text.utf8.prefix(20))
    let distances = words.map { (word: $0, distance: EditDistance.between(typed, Array($0.utf8))) }
    guard let best = distances.min(by: { $0.distance < $1.distance }), best.distance <= 2 else { return nil }
    return best.word
  }
}
