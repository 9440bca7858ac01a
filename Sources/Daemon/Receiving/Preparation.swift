import ContentStore
import Primitives
import Transfer

/// What the store has of a file that is to be received.
enum Preparation {
  case receiving(IncomingFile)
  /// Another node that shares the storage directory has received it meanwhile.
  case isHere
  /// Another node that shares the storage directory is receiving it.
  case isUnderway

  /// Makes the store ready to receive the file. Waits for the disk.
  ///
  /// - Parameter isBeside: whether this node receives the file already, after another plan.
  init(of plan: DownloadPlan, isBeside: Bool, in store: ContentStore) throws(KacheryError) {
    // A damaged file, of another size, is replaced.
    if try store.find(plan.hash)?.size == plan.size {
      self = .isHere
      return
    }
    do throws(KacheryError) {
      self = .receiving(
        // Without a manifest nothing can be kept for later: nothing shows whether it is right.
        try store.beginReceive(
          plan.hash, size: plan.size, manifest: plan.manifest, chunks: plan.chunks, isBeside: isBeside))
    } catch {
      guard error.code == .alreadyRunning else { throw error }
      self = .isUnderway
    }
  }
}
