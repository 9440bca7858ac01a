internal import CUV
import Primitives
import Synchronization

/// The owner of one libuv handle: allocated on the heap, closed once, and freed only after libuv has closed it.
package class LoopHandle {
  package let loop: EventLoop
  private let memory: UnsafeMutableRawPointer
  /// Whether the handle may no longer be used. True from the start if the loop has stopped: then there is no libuv loop
  /// to open a handle on, and a subclass must not try.
  private(set) var isClosing: Bool

  /// Allocates a handle of this size. It is not open until `adopt`.
  init(loop: EventLoop, byteCount: Int) {
    loop.preconditionOnLoop()
    self.loop = loop
    isClosing = loop.core.isStopped
    memory = .allocate(byteCount: byteCount, alignment: 16)
  }

  // libuv retains this object from `adopt` until the handle is closed, so the memory outlives the handle.
  deinit { memory.deallocate() }

  /// The handle as its libuv type.
  func raw<Raw>(as type: Raw.Type) -> UnsafeMutablePointer<Raw> { memory.assumingMemoryBound(to: type) }

  private var handle: UnsafeMutablePointer<uv_handle_t> { raw(as: uv_handle_t.self) }

  /// Called after the handle is initialized: libuv retains this object until the handle is closed.
  func adopt() {
    handle.pointee.data = Unmanaged.passRetained(self).toOpaque()
    loop.core.openHandles.wrappingAdd(1, ordering: .relaxed)
    // Opened while the loop is closing: close it in the next turn, or the loop would never end.
    if loop.core.isClosing { loop.post { [loop] in loop.core.closeEverything() } }
  }

  /// The object that owns a callback's handle.
  static func owner(of handle: UnsafeMutableRawPointer?) -> LoopHandle? {
    guard let data = handle?.assumingMemoryBound(to: uv_handle_t.self).pointee.data else { return nil }
    return Unmanaged<LoopHandle>.fromOpaque(data).takeUnretainedValue()
  }

  /// Closes the handle. Idempotent.
  func closeHandle() {
    loop.preconditionOnLoop()
    guard !isClosing else { return }
    isClosing = true
    uv_close(handle) { handle in
      guard let data = handle?.pointee.data else { return }
      let owner = Unmanaged<LoopHandle>.fromOpaque(data).takeRetainedValue()
      owner.loop.core.openHandles.wrappingSubtract(1, ordering: .relaxed)
    }
  }

  /// Called when the loop stops. A subclass whose user waits for an end reports it here.
  func closedByLoop() { closeHandle() }
}
