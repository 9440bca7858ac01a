package import Primitives
import YAML

/// A change of `kachery.yaml` that keeps everything else in it: comments, the order, and names that are no settings.
package struct SettingsEdit {
  private var lines: [String]

  /// - Parameter bytes: the file; empty if there is none.
  /// - Throws: `badConfiguration` if it is not YAML, or has something other than settings.
  package init(_ bytes: [UInt8]) throws(KacheryError) {
    let document = try YAMLParser.parse(bytes)
    guard document.mapping != nil || document.isNull else {
      throw KacheryError(.badConfiguration, "\(SettingsFile.name) has no settings; correct it first.")
    }
    lines = String(decoding: bytes, as: UTF8.self).parts(separatedBy: "\n").map { String($0) }
    if let last = lines.last, last.isEmpty { lines.removeLast() }
  }

  /// The file with the changes.
  package var bytes: [UInt8] { lines.flatMap { Array($0.utf8) + [UInt8(ascii: "\n")] } }

  /// Sets a setting: in its old place, or else at the end.
  ///
  /// - Throws: `badConfiguration` if the file is written in a form that only a person can change.
  package mutating func set(_ name: SettingName, to texts: [String]) throws(KacheryError) {
    let before = try YAMLParser.parse(bytes).mapping ?? []
    let isList = Setting.named(name).kind.isList
    let words = texts.map(Self.word)
    let value = isList ? "[\(words.joined(separator: ", "))]" : words.last ?? ""
    var edited = self
    let old = before.first { $0.name == ByteString(name.rawValue) }
    if let old {
      let last = max(old.line, Self.lastLine(of: old.value))
      let comment = last == old.line ? Self.comment(in: lines[old.line - 1]) : ""
      edited.lines.replaceSubrange(old.line - 1..<last, with: ["\(name.rawValue): \(value)\(comment)"])
    } else {
      edited.lines.append("\(name.rawValue): \(value)")
    }
    // What else is in the file must mean the same as before, whatever form it is written in.
    let after = (try? YAMLParser.parse(edited.bytes))?.mapping ?? []
    let others = { (members: [YAMLMember]) in members.filter { $0.name != ByteString(name.rawValue) } }
    guard others(after) == others(before),
      (try? SettingsFile(yaml: edited.bytes))?.entries[name]?.texts.map({ ByteString($0) })
        == texts.map({ ByteString($0) })
    else {
      let place = old.map { "line \($0.line)" } ?? "the end"
      throw KacheryError(
        .badConfiguration,
        "\(SettingsFile.name) is written in a form that can only be changed by hand: write '\(name.rawValue): \(value)' at "
          + "\(place).")
    }
    self = edited
  }

  private static func lastLine(of value: YAMLValue) -> Int {
    switch value {
    case .scalar(let scalar): scalar.line
    case .sequence(let values): values.map(lastLine).max() ?? 0
    case .mapping(let members): members.map { max($0.line, lastLine(of: $0.value)) }.max() ?? 0
    }
  }

  /// The comment at the end of a line, with the blank before it.
  private static func comment(in line: String) -> String {
    let (head, tail) = line.cut(atLast: "#")
    guard let tail, head.ends(with: " "), !tail.utf8.contains(UInt8(ascii: "\"")) else { return "" }
    return " #\(tail)"
  }

  /// The text as a scalar of YAML, in quotes unless it is a plain word in any version of it.
  private static func word(_ text: String) -> String {
    let isPlain = text.utf8.allSatisfy {
      (0x30...0x39).contains($0) || (0x61...0x7a).contains($0 | 0x20) || ".-_".utf8.contains($0)
    }
    let startsPlain = text.utf8.first.map { !".-_".utf8.contains($0) } ?? false
    let isNull = YAMLValue.scalar(YAMLScalar(text: text, isPlain: true)).isNull
    return isPlain && startsPlain && !isNull ? text : JSONValue.string(text).compact
  }
}
