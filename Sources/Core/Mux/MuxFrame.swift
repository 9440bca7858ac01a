/// The type of a yamux frame: https://github.com/hashicorp/yamux/blob/master/spec.md
enum MuxFrameType: UInt8 {
  case data = 0
  case windowUpdate = 1
  case ping = 2
  case goAway = 3
}

/// The flags of a frame.
struct MuxFlags: OptionSet {
  let rawValue: UInt16

  static let syn = MuxFlags(rawValue: 1)
  static let ack = MuxFlags(rawValue: 2)
  static let fin = MuxFlags(rawValue: 4)
  static let rst = MuxFlags(rawValue: 8)
}

/// The twelve bytes before every frame.
struct MuxHeader {
  static let byteCount = 12
  static let version: UInt8 = 0

  var type: MuxFrameType
  var flags: MuxFlags = []
  var stream: UInt32 = 0
  /// The length of a data frame, the delta of a window update, the value of a ping, or the code of a go-away.
  var value: UInt32 = 0

  func append(to output: inout [UInt8]) {
    output.append(Self.version)
    output.append(type.rawValue)
    withUnsafeBytes(of: flags.rawValue.bigEndian) { output.append(contentsOf: $0) }
    withUnsafeBytes(of: stream.bigEndian) { output.append(contentsOf: $0) }
    withUnsafeBytes(of: value.bigEndian) { output.append(contentsOf: $0) }
  }

  static func decode(_ bytes: [UInt8]) throws(MuxError) -> MuxHeader {
    guard bytes[0] == version else { throw .unknownVersion }
    guard let type = MuxFrameType(rawValue: bytes[1]) else { throw .unknownType }
    let flags = MuxFlags(rawValue: UInt16(bytes[2]) << 8 | UInt16(bytes[3]))
    return MuxHeader(type: type, flags: flags, stream: number(bytes[4..<8]), value: number(bytes[8..<12]))
  }

  private static func number(_ bytes: ArraySlice<UInt8>) -> UInt32 { bytes.reduce(0) { $0 << 8 | UInt32($1) } }
}

/// How the other side violated the protocol. Each violation ends the link.
package enum MuxError: Error, Hashable, Sendable {
  case unknownVersion
  case unknownType
  /// An invalid stream ID: of the wrong side, used before, or never opened.
  case badStream
  /// More streams than this side allows.
  case tooManyStreams
  /// More bytes than the window allows, or a window that overflows.
  case windowExceeded
  /// More requests than this side answers at the same time.
  case flood
}
