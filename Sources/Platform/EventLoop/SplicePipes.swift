internal import CUV
import Glibc

/// Pipes through which the kernel moves bytes from one socket to another. A pipe is in use only while bytes are in it, so
/// a few serve many connections. Bound to the loop.
package final class SplicePipes {
  /// Bytes that a pipe holds, if the system allows it.
  package static let capacity = 256 << 10
  /// Empty pipes that are kept.
  private static let mostIdle = 16

  /// Whether bytes move through pipes; if not, they are copied through this process.
  package internal(set) var areUsable: Bool
  private var idle: [SplicePipe] = []

  /// - Parameter areUsable: false to copy the bytes, as where the kernel cannot splice.
  package init(areUsable: Bool = true) { self.areUsable = areUsable }

  /// An empty pipe; nil if bytes are to be copied instead.
  func take() -> SplicePipe? {
    guard areUsable else { return nil }
    return idle.popLast() ?? SplicePipe(capacity: Self.capacity)
  }

  /// Takes back an empty pipe.
  func release(_ pipe: SplicePipe) { if idle.count < Self.mostIdle { idle.append(pipe) } }
}

/// A pipe of the kernel.
final class SplicePipe {
  let input: Int32
  let output: Int32

  /// Nil if the process has no descriptors left.
  init?(capacity: Int) {
    var ends: [Int32] = [-1, -1]
    guard CUV_open_pipe(&ends, Int32(capacity)) == 0 else { return nil }
    (output, input) = (ends[0], ends[1])
  }

  deinit {
    Glibc.close(input)
    Glibc.close(output)
  }
}
