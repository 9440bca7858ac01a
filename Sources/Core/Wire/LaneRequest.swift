import Primitives

/// The first frame on an additional link to a node: makes it a lane of the link with this number, between the same
/// nodes.
package struct LaneRequest: Hashable, Sendable {
  static let frameType: UInt8 = 26
  /// Bytes in the longest frame, with room for fields of later versions.
  package static let frameLimit = 256

  /// The number of a link: the first 8 bytes of its binding, so both ends know it.
  package let link: UInt64

  package init(link: UInt64) { self.link = link }

  /// A request for a lane of the link with this binding.
  package init(linkWithBinding binding: [UInt8]) { link = binding.prefix(8).reduce(0) { $0 << 8 | UInt64($1) } }

  /// The request as a frame.
  package var encoded: [UInt8] { Frame.encode(Self.frameType) { $0.integer(link) } }

  /// Decodes a frame of a lane stream.
  package static func decode(_ frame: Frame) throws(WireError) -> LaneRequest {
    guard frame.type == frameType else { throw .unknownType(frame.type) }
    var reader = ByteReader(frame.body)
    do throws(ByteReaderError) {
      return LaneRequest(link: try reader.integer())
    } catch {
      throw .malformed(error)
    }
  }
}
