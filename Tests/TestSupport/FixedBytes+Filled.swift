package import Primitives

extension FixedBytes {
  /// The value in which every byte is `byte`.
  package static func filled(with byte: UInt8) -> Self {
    guard let value = Self(bytes: [UInt8](repeating: byte, count: byteCount)) else {
      preconditionFailure("as many bytes as the type has")
    }
    return value
  }
}
