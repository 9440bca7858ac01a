/// The bytes that arrived for one stream in packets that were read one after the other: the stream receives them
/// together, because everything above it costs about as much for a packet as for forty. Bound to the loop.
final class GatheredBytes {
  /// A stream, which receives bytes.
  protocol Receiver: AnyObject {
    func receive(_ bytes: UnsafeRawBufferPointer)
  }

  /// Bytes for which there is room: those of a train of packets.
  static let capacity = 64 << 10

  /// Allocated for the first bytes, because most endpoints carry no files.
  private var buffer: UnsafeMutableRawBufferPointer?
  private var stream: (any Receiver)?
  private var count = 0

  deinit { buffer?.deallocate() }

  /// Adds the next bytes of a stream. What there is for another stream is delivered first.
  func add(_ bytes: UnsafeRawBufferPointer, for stream: some Receiver) {
    guard !bytes.isEmpty else { return }
    if self.stream !== stream || count + bytes.count > Self.capacity { deliver() }
    guard bytes.count <= Self.capacity else { return stream.receive(bytes) }
    let buffer = self.buffer ?? .allocate(byteCount: Self.capacity, alignment: 64)
    self.buffer = buffer
    UnsafeMutableRawBufferPointer(rebasing: buffer[count...]).copyMemory(from: bytes)
    self.stream = stream
    count += bytes.count
  }

  /// The stream receives its bytes.
  func deliver() {
    guard let stream, let buffer else { return }
    let bytes = UnsafeRawBufferPointer(rebasing: buffer[..<count])
    (self.stream, count) = (nil, 0)
    stream.receive(bytes)
  }
}
