internal import CUV
import Primitives
import Synchronization

/// The owner of one libuv handle: allocated on the heap, closed once, and freed only when libuv says that it is closed.
package class LoopHandle {
  package let loop: EventLoop
  private let memory: UnsafeMutableRawPointer
  private(set) var isClosing = false

  /// Room for a handle of this size. Nothing is open until `adopt`.
  init(loop: EventLoop, byteCount: Int) {
    loop.preconditionOnLoop()
    self.loop = loop
    memory = .allocate(byteCount: byteCount, alignment: 16)
  }

  /// The handle as libuv's type for it.
  func raw<Raw>(as type: Raw.Type) -> UnsafeMutablePointer<Raw> { memory.assumingMemoryBound(to: type) }

  private var handle: UnsafeMutablePointer<uv_handle_t> { raw(as: uv_handle_t.self) }

  /// The handle has been initialized: from now on libuv holds this object until the handle is closed.
  func adopt() {
    handle.pointee.data = Unmanaged.passRetained(self).toOpaque()
    loop.core.openHandles.wrappingAdd(1, ordering: .relaxed)
  }

  /// The object that a callback's handle belongs to.
  static func owner(of handle: UnsafeMutableRawPointer?) -> LoopHandle? {
    guard let data = handle?.assumingMemoryBound(to: uv_handle_t.self).pointee.data else { return nil }
    return Unmanaged<LoopHandle>.fromOpaque(data).takeUnretainedValue()
  }

  /// Frees what `init` allocated, where the handle was never adopted.
  func abandon() { memory.deallocate() }

  /// Closes the handle. May be called again.
  func closeHandle() {
    loop.preconditionOnLoop()
    guard !isClosing else { return }
    isClosing = true
    uv_close(handle) { handle in
      guard let data = handle?.pointee.data else { return }
      let owner = Unmanaged<LoopHandle>.fromOpaque(data).takeRetainedValue()
      owner.memory.deallocate()
      owner.loop.core.openHandles.wrappingSubtract(1, ordering: .relaxed)
    }
  }

  /// The loop stops. A subclass whose user waits for an end tells it here.
  func closedByLoop() { closeHandle() }
}
