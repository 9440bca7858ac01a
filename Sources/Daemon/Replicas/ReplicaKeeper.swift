import APIModel
import ContentStore
import Diagnostics
import EventLoop
import NodeCore
import Primitives
import Transfer
import Wire

/// Keeps copies of files for members that ask for it, up to the owner's limit: loads them like any other file, and pins
/// them. Bound to the loop.
final class ReplicaKeeper {
  /// Most copies that are made at a time. A peer that asks for more has to ask again later.
  private static let maximumOrders = 32
  /// Most files that are kept.
  private static let maximumFiles = 100_000

  /// Most bytes kept for members; 0 to keep nothing.
  var limit: UInt64 = 0
  /// Called with what becomes of each order.
  var onAnswer: (ReplicaOrder, ReplicaAnswer.State, _ reason: String) -> Void = { _, _, _ in }

  private let store: ContentStore
  private let requests: FileRequests
  private let loop: EventLoop
  private let log: Log
  private let ledger: ReplicaLedger
  /// The files that are kept, with their sizes in bytes; nil if the ledger was not read yet.
  private var kept: [ContentHash: UInt64]?
  /// Copies that are being made, with their loads once these have begun.
  private var orders: [ReplicaOrder: LoadID?] = [:]

  /// - Parameter folder: that of the node's own files.
  init(_ store: ContentStore, requests: FileRequests, folder: String, loop: EventLoop, log: Log) {
    self.store = store
    self.requests = requests
    self.loop = loop
    self.log = log
    ledger = ReplicaLedger(in: folder)
  }

  /// Makes the copy if the limit allows it, and says what becomes of it.
  func keep(_ order: ReplicaOrder) {
    guard limit > 0 else { return answer(order, .off) }
    guard orders[order] == nil else { return }
    guard orders.count < Self.maximumOrders else {
      return answer(order, .noRoom, "it is making \(orders.count) other copies; ask again later")
    }
    orders[order] = .some(nil)
    guard !hasRoom(for: order) else { return load(order) }
    // The owner may have removed some.
    loop.work { [store, ledger] in
      Result { () throws(KacheryError) in try ledger.read(store) }
    } then: { [self] result in
      switch result {
      case .success(let files):
        kept = files
        if hasRoom(for: order) { return load(order) }
        let text = [free(besides: order), limit].map { Quantity.bytes(Double($0)) }
        end(order, .noRoom, "\(text[0]) of the \(text[1]) that it keeps for members are free")
      case .failure(let error): fail(order, error)
      }
    }
  }

  private func hasRoom(for order: ReplicaOrder) -> Bool {
    guard let kept else { return false }
    return kept[order.hash] != nil || (order.size <= free(besides: order) && kept.count < Self.maximumFiles)
  }

  /// Bytes that are neither used nor reserved by other copies that are being made.
  private func free(besides order: ReplicaOrder) -> UInt64 {
    let others = orders.keys.filter { $0 != order }.reduce(0 as UInt64) { $0 + $1.size }
    return limit - min(limit, (kept ?? [:]).values.reduce(others, +))
  }

  private func load(_ order: ReplicaOrder) {
    answer(order, .loading)
    let observer = LoadObserver(
      progress: { [weak self] _, total, _ in
        guard total > order.size, let self, let load = orders[order] ?? nil else { return }
        requests.cancel(load)
        end(order, .failed, "the file has \(total) bytes, and not \(order.size)")
      },
      end: { [weak self] outcome in
        switch outcome {
        case .success: self?.finish(order)
        case .failure(let error): self?.fail(order, error)
        }
      })
    orders[order] = requests.load(LoadRequest(key: FileKey(hash: order.hash)), observer)
  }

  /// The file is here: pins it.
  private func finish(_ order: ReplicaOrder) {
    loop.work { [store, ledger] in
      Result { () throws(KacheryError) -> UInt64 in
        try store.pin(order.hash)
        try ledger.add(order.hash)
        return try store.find(order.hash)?.size ?? order.size
      }
    } then: { [self] result in
      switch result {
      case .success(let size):
        kept?[order.hash] = size
        log.info("This node keeps \(order.hash) (\(Quantity.bytes(Double(size)))) for node \(order.node.short).")
        end(order, .kept)
      case .failure(let error): fail(order, error)
      }
    }
  }

  private func fail(_ order: ReplicaOrder, _ error: KacheryError) {
    log.warning("Cannot keep \(order.hash) for node \(order.node.short): \(error.message)")
    // The peer learns nothing about this node's disk.
    let isOfDisk = [.storageFailed, .diskFull, .permissionDenied].contains(error.code)
    end(order, .failed, isOfDisk ? "its log says why" : error.message)
  }

  private func end(_ order: ReplicaOrder, _ state: ReplicaAnswer.State, _ reason: String = "") {
    orders[order] = nil
    answer(order, state, reason)
  }

  private func answer(_ order: ReplicaOrder, _ state: ReplicaAnswer.State, _ reason: String = "") {
    onAnswer(order, state, reason)
  }
}
