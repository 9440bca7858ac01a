import Primitives

/// Builds a value from events, and rejects constructs that could expand or hide content.
struct DocumentBuilder {
  let events: EventReader
  private var depth = 0
  private var count = 0

  init(events: EventReader) { self.events = events }

  /// The only document of the stream. An empty stream yields null.
  mutating func document() throws(KacheryError) -> YAMLValue {
    _ = try events.next()
    guard case .documentStart = try events.next() else { return .scalar(YAMLScalar(text: "", isPlain: true)) }
    let value = try self.value(try events.next())
    _ = try events.next()
    guard case .end = try events.next() else { throw refusal("a second document begins; keep one") }
    return value
  }

  private mutating func value(_ event: YAMLEvent) throws(KacheryError) -> YAMLValue {
    count += 1
    guard count <= YAMLParser.maximumValues else {
      throw refusal("it has more than \(YAMLParser.maximumValues) values")
    }
    switch event {
    case .scalar(let scalar): return .scalar(scalar)
    case .sequenceStart: return try nested { (builder) throws(KacheryError) in try builder.sequence() }
    case .mappingStart: return try nested { (builder) throws(KacheryError) in try builder.mapping() }
    // A few nested aliases expand to billions of values.
    case .alias: throw refusal("an alias (*) is not accepted; write the value out")
    default: throw refusal("a value is missing")
    }
  }

  private mutating func nested(
    _ read: (inout DocumentBuilder) throws(KacheryError) -> YAMLValue
  ) throws(KacheryError) -> YAMLValue {
    guard depth < YAMLParser.maximumDepth else {
      throw refusal("it is nested more than \(YAMLParser.maximumDepth) deep")
    }
    depth += 1
    defer { depth -= 1 }
    return try read(&self)
  }

  private mutating func sequence() throws(KacheryError) -> YAMLValue {
    var values: [YAMLValue] = []
    while true {
      let event = try events.next()
      if case .sequenceEnd = event { return .sequence(values) }
      values.append(try value(event))
    }
  }

  private mutating func mapping() throws(KacheryError) -> YAMLValue {
    var members: [YAMLMember] = []
    var names: Set<ByteString> = []
    while true {
      let event = try events.next()
      if case .mappingEnd = event { return .mapping(members) }
      guard case .scalar(let scalar) = event else { throw refusal("a name is not a plain word") }
      let name = ByteString(scalar.text)
      guard names.insert(name).inserted else { throw refusal("the name '\(name)' is repeated; remove one") }
      members.append(YAMLMember(name: name, value: try value(try events.next()), line: scalar.line))
    }
  }

  private func refusal(_ reason: String) -> KacheryError {
    KacheryError(.badConfiguration, "Line \(events.line) of the YAML document is wrong: \(reason).")
  }
}
