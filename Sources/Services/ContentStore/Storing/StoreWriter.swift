import Crypto
import Files
package import Primitives
import Synchronization

/// A file being stored: its bytes are written and hashed in order.
///
/// Thread-safe; calls are serialized. A writer that is released without `finish()` leaves nothing behind.
package final class StoreWriter: Sendable {
  private struct State {
    var digester = ContentDigester()
    var isOpen = true
  }

  private let store: ContentStore
  private let file: File
  private let state = Mutex(State())

  init(_ store: ContentStore) throws(KacheryError) {
    try store.prepareOwnFolder(store.layout.temporary)
    self.store = store
    file = try TemporaryFile.create(in: store.layout.temporary)
  }

  deinit { cancel() }

  /// Appends bytes.
  ///
  /// - Throws: `diskFull` or another disk error, after which nothing is left of the file.
  package func write(_ bytes: UnsafeRawBufferPointer) throws(KacheryError) {
    try whileOpen { (state) throws(KacheryError) in
      let offset = state.digester.count
      state.digester.update(bytes)
      try store.makingRoom { () throws(KacheryError) in try file.write(at: offset, bytes) }
      Writeback.start(of: file, from: offset, to: state.digester.count)
    }
  }

  /// Appends bytes.
  package func write(_ bytes: [UInt8]) throws(KacheryError) {
    try bytes.withUnsafeBytes { buffer in Result { () throws(KacheryError) in try write(buffer) } }.get()
  }

  /// Copies a whole file, if nothing else is written; another thread hashes it meanwhile.
  ///
  /// - Returns: the number of bytes copied, at most one block more than `size`.
  func copy(
    _ source: File, expecting size: UInt64, afterBlock: (_ bytesRead: UInt64) throws(KacheryError) -> Void
  ) throws(KacheryError) -> UInt64 {
    try whileOpen { (state) throws(KacheryError) in
      state.digester = try store.makingRoom { () throws(KacheryError) in
        var copy = try LargeFileCopy(of: source, to: file)
        return try copy.run(expecting: size, afterBlock: afterBlock)
      }
      return state.digester.count
    }
  }

  /// Bytes written so far.
  package var count: UInt64 { state.withLock { $0.digester.count } }

  /// Admits the file and, if it is large, its manifest.
  ///
  /// - Returns: the receipt, once everything is on the disk.
  package func finish() throws(KacheryError) -> StoreReceipt {
    try whileOpen { (state) throws(KacheryError) in
      let size = state.digester.count
      let (hash, manifest) = state.digester.finish()
      try store.admit(file, as: hash, size: size)
      state.isOpen = false
      file.close()
      let manifestHash = try manifest.map(store.storeManifest)
      store.noteManifest(manifestHash, of: hash, size: size)
      return StoreReceipt(hash: hash, manifest: manifestHash, size: size)
    }
  }

  /// Removes what was written; does nothing after `finish()` or a failure.
  package func cancel() { state.withLock { discard(&$0) } }

  private func whileOpen<Answer>(_ body: (inout State) throws(KacheryError) -> Answer) throws(KacheryError) -> Answer {
    try state.withLock { (state) throws(KacheryError) in
      guard state.isOpen else {
        throw KacheryError(.cancelled, "Storing the file had ended already, by a failure or by cancelling it.")
      }
      do throws(KacheryError) { return try body(&state) } catch {
        discard(&state)
        throw error
      }
    }
  }

  private func discard(_ state: inout State) {
    guard state.isOpen else { return }
    state.isOpen = false
    // With the lock held, so that no other process can have created a file of this name.
    try? FileSystem.remove(file.path)
    file.close()
  }
}
