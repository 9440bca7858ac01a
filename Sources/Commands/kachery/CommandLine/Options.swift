import Files
import Primitives

/// An option of a command, as `--help` shows it.
struct Option: Sendable {
  let name: String
  /// The one-letter form, such as `-f`; nil if it has none.
  let letter: String?
  /// What its value stands for; nil for a flag.
  let value: String?
  /// What it does, or why it has no effect if it is ignored.
  let help: String
  /// Whether it is accepted for compatibility with the published commands but has no effect.
  let isIgnored: Bool

  init(_ name: String, _ value: String? = nil, _ help: String, letter: String? = nil) {
    (self.name, self.letter, self.value, self.help, isIgnored) = (name, letter, value, help, false)
  }

  private init(ignored name: String, _ value: String?, _ reason: String) {
    (self.name, letter, self.value, help, isIgnored) = (name, nil, value, reason, true)
  }

  /// An option that older scripts pass. A note says why it has no effect.
  static func ignored(_ name: String, _ value: String?, _ reason: String) -> Option {
    Option(ignored: name, value, reason)
  }

  /// As `--help` shows it: `-n, --number COUNT`.
  var synopsis: String { (letter.map { "\($0), " } ?? "") + name + (value.map { " \($0)" } ?? "") }
}

/// A command's parsed arguments.
struct Arguments {
  /// Arguments that are not options, in order.
  private(set) var operands: [String] = []
  private var flags: Set<String> = []
  private var values: [String: [String]] = [:]

  /// The program and its command, as called: `kachery load`, `kachery-load`, `kachery-p2p load-file`.
  let caller: String
  /// The given options that have no effect.
  private(set) var ignored: [Option] = []

  /// Parses the arguments that follow the command's name.
  ///
  /// - Throws: `badRequest` for an option that the command does not have, or one without its value.
  init(_ arguments: [String], options: [Option], caller: String) throws(KacheryError) {
    self.caller = caller
    var rest = arguments[...]
    while let argument = rest.popFirst() {
      if argument == "--" {
        operands += rest
        return
      }
      guard argument.begins(with: "-"), argument != "-" else {
        operands.append(argument)
        continue
      }
      let (head, tail) = argument.cut(at: "=")
      let name = String(head)
      guard let option = options.first(where: { $0.name == name || $0.letter == name }) else {
        let meant = Suggestion.nearest(to: name, among: options.filter { !$0.isIgnored }.map(\.name)).map {
          " Did you mean '\($0)'?"
        }
        let file = FileSystem.exists(argument) ? " To name a file, write './\(argument)'." : nil
        throw KacheryError(.badRequest, "Unknown option '\(name)'.\(file ?? meant ?? "")")
      }
      if option.isIgnored { ignored.append(option) }
      guard option.value != nil else {
        guard tail == nil else { throw KacheryError(.badRequest, "The option '\(option.name)' takes no value.") }
        flags.insert(option.name)
        continue
      }
      guard let value = tail.map({ String($0) }) ?? rest.popFirst() else {
        throw KacheryError(.badRequest, "The option '\(option.name)' needs a value.")
      }
      values[option.name, default: []].append(value)
    }
  }

  /// Whether it was called by one of the published names, whose scripts expect the published form of the output.
  var isPublishedCall: Bool { !caller.begins(with: "kachery ") }

  func has(_ flag: String) -> Bool { flags.contains(flag) }

  /// The value of an option; the last one if it is given several times.
  func value(_ name: String) -> String? { values[name]?.last }

  /// Every value of an option that may be repeated.
  func allValues(_ name: String) -> [String] { values[name] ?? [] }

  /// The value of an option that must be a number of bytes.
  func bytes(_ name: String) throws(KacheryError) -> UInt64? {
    guard let text = value(name) else { return nil }
    guard let number = UInt64(text) else {
      throw KacheryError(.badRequest, "\(name): '\(text)' is not a number of bytes.")
    }
    return number
  }

  /// The value of an option that must be a whole number, 0 or more.
  func count(_ name: String) throws(KacheryError) -> UInt64? {
    guard let text = value(name) else { return nil }
    guard let number = UInt64(text) else {
      throw KacheryError(.badRequest, "\(name): '\(text)' is not a whole number, 0 or more.")
    }
    return number
  }

  /// The value of an option that must be a number of seconds.
  func seconds(_ name: String) throws(KacheryError) -> Duration? {
    guard let text = value(name) else { return nil }
    guard let number = Double(text), number > 0, number < 1e6 else {
      throw KacheryError(.badRequest, "\(name): '\(text)' is not a number of seconds.")
    }
    return .milliseconds(Int(number * 1_000))
  }

  /// The value of an option that must be the ID of a node.
  func node(_ name: String) throws(KacheryError) -> NodeID? {
    guard let text = value(name) else { return nil }
    guard let node = NodeID(hex: text) else {
      throw KacheryError(.badRequest, "'\(text)' is not a node ID, which has 64 hexadecimal digits.")
    }
    return node
  }

  /// The only operand.
  func operand(_ meaning: String) throws(KacheryError) -> String {
    guard let operand = operands.first else { throw KacheryError(.badRequest, "The \(meaning) is missing.") }
    guard operands.count == 1 else {
      throw KacheryError(.badRequest, "There is more than one \(meaning): unexpected '\(operands[1])'.")
    }
    return operand
  }
}
