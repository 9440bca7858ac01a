import CYAML
import Primitives

/// An event of libyaml's parser.
enum YAMLEvent {
  case start, documentStart, documentEnd, end
  case alias
  case scalar(YAMLScalar)
  case sequenceStart, sequenceEnd
  case mappingStart, mappingEnd
}

/// The sole owner of a libyaml parser.
final class EventReader {
  private let parser: UnsafeMutablePointer<yaml_parser_t>
  private var isOpen = true

  /// Creates a reader of `bytes`, which must stay in place until `close()`.
  init(_ bytes: UnsafeBufferPointer<UInt8>) throws(KacheryError) {
    parser = .allocate(capacity: 1)
    guard yaml_parser_initialize(parser) == 1 else {
      parser.deallocate()
      throw KacheryError(.internalError, "There is not enough memory to read a YAML document.")
    }
    yaml_parser_set_input_string(parser, bytes.baseAddress, bytes.count)
  }

  deinit { close() }

  /// Frees the parser. Idempotent.
  func close() {
    guard isOpen else { return }
    isOpen = false
    yaml_parser_delete(parser)
    parser.deallocate()
  }

  /// The line of the last event, counted from 1.
  var line: Int { Int(parser.pointee.mark.line) + 1 }

  /// The next event.
  func next() throws(KacheryError) -> YAMLEvent {
    var event = yaml_event_t()
    guard yaml_parser_parse(parser, &event) == 1 else {
      let problem = parser.pointee.problem.map { String(cString: $0) } ?? "it cannot be read"
      let line = Int(parser.pointee.problem_mark.line) + 1
      throw KacheryError(.badConfiguration, "Line \(line) of the YAML document is wrong: \(problem).")
    }
    defer { yaml_event_delete(&event) }
    return try translate(event)
  }

  private func translate(_ event: yaml_event_t) throws(KacheryError) -> YAMLEvent {
    switch event.type {
    case YAML_STREAM_START_EVENT: .start
    case YAML_DOCUMENT_START_EVENT: .documentStart
    case YAML_DOCUMENT_END_EVENT: .documentEnd
    case YAML_ALIAS_EVENT: .alias
    case YAML_SCALAR_EVENT: .scalar(try scalar(event))
    case YAML_SEQUENCE_START_EVENT: .sequenceStart
    case YAML_SEQUENCE_END_EVENT: .sequenceEnd
    case YAML_MAPPING_START_EVENT: .mappingStart
    case YAML_MAPPING_END_EVENT: .mappingEnd
    default: .end
    }
  }

  private func scalar(_ event: yaml_event_t) throws(KacheryError) -> YAMLScalar {
    let scalar = event.data.scalar
    let utf8 = UnsafeBufferPointer(start: scalar.value, count: scalar.length)
    guard let text = String(validating: utf8, as: UTF8.self) else {
      throw KacheryError(.badConfiguration, "Line \(line) of the YAML document is not UTF-8; save it as UTF-8.")
    }
    let isPlain = scalar.style == YAML_PLAIN_SCALAR_STYLE && scalar.tag == nil
    return YAMLScalar(text: text, isPlain: isPlain, line: Int(event.start_mark.line) + 1)
  }
}
