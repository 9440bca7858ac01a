internal import CUV
import Primitives
import Synchronization
import Threads

/// The libuv loop itself, its thread, and the tasks that other threads submit to it.
///
/// `@unchecked Sendable`: only the loop's thread uses the raw loop and the read buffer; the rest is atomic or protected
/// by a mutex.
// All users of `loop` and `readBuffer` are loop-bound classes that check their thread first.
final class LoopCore: @unchecked Sendable {
  /// Work submitted from another thread.
  enum Task {
    case job(UnownedJob)
    case closure(@Sendable () -> Void)
  }

  private struct Inbox {
    var tasks: [Task] = []
    var isWaking = false
    var isStopped = false
    var isDraining = false
  }

  private struct Endings {
    var waiters: [@Sendable () -> Void] = []
    var isClosing = false
    var hasEnded = false
  }

  let loop: UnsafeMutablePointer<uv_loop_t>
  let readBuffer: UnsafeMutableRawBufferPointer
  let openHandles = Atomic<Int>(0)
  private let wakeUp: UnsafeMutablePointer<uv_async_t>
  private let thread = Mutex<ThreadID?>(nil)
  private let inbox = Mutex(Inbox())
  private let endings = Mutex(Endings())

  init() throws(KacheryError) {
    loop = .allocate(capacity: 1)
    wakeUp = .allocate(capacity: 1)
    readBuffer = .allocate(byteCount: EventLoop.readBufferSize, alignment: 64)
    try UVError.check(uv_loop_init(loop), "starting an event loop")
  }

  deinit {
    loop.deallocate()
    wakeUp.deallocate()
    readBuffer.deallocate()
  }

  var isCurrentThread: Bool {
    thread.withLock { $0 == .current }
  }

  func start(for owner: EventLoop) throws(KacheryError) {
    // The thread retains the owner: it outlives all other references to the loop.
    wakeUp.pointee.data = Unmanaged.passUnretained(owner).toOpaque()
    try UVError.check(
      uv_async_init(loop, wakeUp) { handle in
        guard let data = handle?.pointee.data else { return }
        let owner = Unmanaged<EventLoop>.fromOpaque(data).takeUnretainedValue()
        owner.core.drain(for: owner)
      }, "starting an event loop")
    try SystemThread.run(named: owner.name) { Self.runThread(owner) }
  }

  private static func runThread(_ owner: EventLoop) {
    let core = owner.core
    core.thread.withLock { $0 = .current }
    // Close callbacks may open handles and submit work; handle both before the loop counts as stopped.
    repeat {
      uv_run(core.loop, UV_RUN_DEFAULT)
      core.drain(for: owner)
      core.closeHandles()
    } while uv_loop_alive(core.loop) != 0 || !core.stopIfIdle()
    uv_close(core.wakeUpHandle, nil)
    uv_run(core.loop, UV_RUN_DEFAULT)
    uv_loop_close(core.loop)
    core.drainAfterEnd(for: owner)
    let waiters = core.endings.withLock { endings in
      endings.hasEnded = true
      defer { endings.waiters = [] }
      return endings.waiters
    }
    for waiter in waiters { waiter() }
  }

  // MARK: Submitting

  func submit(_ task: Task, for owner: EventLoop) {
    let isStopped = inbox.withLock { inbox in
      inbox.tasks.append(task)
      // Within the lock: once `isStopped` is set the handle is freed, and no thread may be about to use it.
      if !inbox.isStopped, !inbox.isWaking { uv_async_send(wakeUp) }
      inbox.isWaking = true
      return inbox.isStopped
    }
    if isStopped { drainAfterEnd(for: owner) }
  }

  private func stopIfIdle() -> Bool {
    inbox.withLock { inbox in
      inbox.isStopped = inbox.tasks.isEmpty
      return inbox.isStopped
    }
  }

  private func drain(for owner: EventLoop) {
    let tasks = inbox.withLock { inbox in
      inbox.isWaking = false
      defer { inbox.tasks = [] }
      return inbox.tasks
    }
    for task in tasks { Self.run(task, on: owner) }
  }

  /// Runs tasks submitted after the thread has ended on the submitting thread, one at a time, so that none waits
  /// forever.
  private func drainAfterEnd(for owner: EventLoop) {
    let mayDrain = inbox.withLock { inbox in
      defer { inbox.isDraining = true }
      return !inbox.isDraining
    }
    guard mayDrain else { return }
    while true {
      let tasks = inbox.withLock { inbox in
        defer { inbox.tasks = [] }
        inbox.isDraining = !inbox.tasks.isEmpty
        let runner = inbox.isDraining ? ThreadID.current : nil
        thread.withLock { $0 = runner }
        return inbox.tasks
      }
      if tasks.isEmpty { return }
      for task in tasks { Self.run(task, on: owner) }
    }
  }

  private static func run(_ task: Task, on owner: EventLoop) {
    switch task {
    case .job(let job): job.runSynchronously(on: owner.asUnownedSerialExecutor())
    case .closure(let closure): closure()
    }
  }

  // MARK: The end

  /// Calls `waiter` once the loop has stopped. Returns whether the caller has to start closing it.
  func waitForEnd(_ waiter: @escaping @Sendable () -> Void) -> Bool {
    let (hasEnded, isFirst) = endings.withLock { endings in
      if !endings.hasEnded { endings.waiters.append(waiter) }
      defer { endings.isClosing = true }
      return (endings.hasEnded, !endings.isClosing)
    }
    if hasEnded { waiter() }
    return isFirst
  }

  var isClosing: Bool { endings.withLock { $0.isClosing } }

  /// Whether libuv's loop is gone: no handle may be opened anymore.
  var isStopped: Bool { inbox.withLock { $0.isStopped } }

  /// Closes every handle; the loop then ends by itself once the last request has completed.
  ///
  /// It may be asked for this again when it has ended: a handle that was opened meanwhile asks as well.
  func closeEverything() {
    guard !isStopped else { return }
    // The wake-up handle stays open until the end, to receive submitted work, but does not keep the loop alive.
    uv_unref(wakeUpHandle)
    closeHandles()
  }

  private var wakeUpHandle: UnsafeMutablePointer<uv_handle_t> {
    UnsafeMutableRawPointer(wakeUp).assumingMemoryBound(to: uv_handle_t.self)
  }

  private func closeHandles() {
    let own = UnsafeMutableRawPointer(wakeUp)
    uv_walk(
      loop,
      { handle, own in
        guard let handle, uv_is_closing(handle) == 0, UnsafeMutableRawPointer(handle) != own else { return }
        guard let data = handle.pointee.data else { return }
        Unmanaged<LoopHandle>.fromOpaque(data).takeUnretainedValue().closedByLoop()
      }, own)
  }
}
