/// The table itself respects the layers, so that an edit of the table cannot reverse an arrow.
enum LayerRule {
  static func violations(in table: ArrowTable, layers: [String: Layer]) -> [Violation] {
    table.allowed.sorted { $0.key < $1.key }.flatMap { module, imports -> [Violation] in
      guard let layer = layers[module] else { return [violation("\(module) is in no layer below Sources.")] }
      return imports.sorted().compactMap { name in
        guard let other = layers[name] else {
          return mayUseC(layer) && name.hasPrefix("C")
            ? nil : violation("\(module) may not use \(name): C stays in Base and Platform.")
        }
        return mayImport(layer, other, name)
          ? nil : violation("\(module) (\(layer)) may not import \(name) (\(other)).")
      }
    }
  }

  private static func violation(_ reason: String) -> Violation {
    Violation(file: "Sources/README.md", line: nil, reason: reason)
  }

  private static func mayUseC(_ layer: Layer) -> Bool { layer == .base || layer == .platform }

  private static func mayImport(_ layer: Layer, _ other: Layer, _ name: String) -> Bool {
    switch layer {
    case .base: other == .base
    case .core: other == .base || other == .core
    // There is one way to start a thread, also for the loop and for signals.
    case .platform: other == .base || name == "Threads"
    // Services carry Core's messages and streams, but know nothing of its state machines.
    case .services: other == .base || other == .platform || ["Wire", "Mux", "Page", "HTTPServing"].contains(name)
    case .daemon: other != .commands && other != .daemon
    case .commands: other != .commands && other != .core
    }
  }
}
