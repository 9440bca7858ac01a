import APIModel
import HTTP
import Primitives

/// Bodies of requests: how large each may be, and how large ones are read away from the loop.
extension LocalAPIServer {
  /// Smaller bodies are read on the loop, in less than a millisecond.
  private static let smallBody = 32 << 10

  /// What the body of a request says. A large one is read on the pool, and one at a time: in between, the loop and the
  /// other threads of the pool serve all other clients.
  func read<Request: Sendable>(
    _ exchange: HTTPExchange, limit: Int,
    _ make: @escaping @Sendable (JSONFields) throws(KacheryError) -> Request
  ) async throws(KacheryError) -> Request {
    let size = min(exchange.head.contentLength.map { Int(clamping: $0) } ?? limit, limit)
    let holder = exchange.holder ?? .owner
    guard bodyShares.take(size, for: holder) else {
      throw KacheryError(
        .tooLarge, "This body and others of the same client would take too much memory; send it when those have ended.")
    }
    defer { bodyShares.release(size, of: holder) }
    let body = try await exchange.readBody(limit: limit)
    guard body.count > Self.smallBody else { return try make(try JSONFields(body: body)) }
    await largeBodies.begin()
    defer { largeBodies.end() }
    return try await loop.onPool { () throws(KacheryError) in try make(try JSONFields(body: body)) }
  }

  /// The fields in the body of a request.
  func fields(of exchange: HTTPExchange, _ route: Route) async throws(KacheryError) -> JSONFields {
    try await read(exchange, limit: route.largestBody) { (fields) throws(KacheryError) in fields }
  }
}

/// How many bytes of bodies a server holds at a time, and for whom: the same parts as of its connections.
struct BodyShares {
  /// Eight of the largest bodies.
  static let total = 512 << 20

  private var held: [HTTPHolder: Int] = [:]
  private var heldForAll = 0

  /// Reserves room for a body; false if there is none.
  mutating func take(_ count: Int, for holder: HTTPHolder) -> Bool {
    let own = held[holder] ?? 0
    // As for connections, a quarter is left to the owner.
    let room = (holder.divisor == nil ? Self.total : Self.total / 4 * 3) - heldForAll
    guard count <= room, own + count <= Self.total / (holder.divisor ?? 1) else { return false }
    held[holder] = own + count
    heldForAll += count
    return true
  }

  /// Releases what `take` has reserved.
  mutating func release(_ count: Int, of holder: HTTPHolder) {
    let left = (held[holder] ?? 0) - count
    held[holder] = left > 0 ? left : nil
    heldForAll -= count
  }
}

/// Lets one task at a time continue, in the order in which they came. Bound to its owner's loop.
final class TaskQueue {
  private var isBusy = false
  private var waiting = Queue<CheckedContinuation<Void, Never>>()

  /// Waits until no other task is between `begin` and `end`.
  func begin(isolation: isolated (any Actor)? = #isolation) async {
    guard isBusy else {
      isBusy = true
      return
    }
    await withCheckedContinuation { waiting.append($0) }
  }

  /// Lets the next task continue.
  func end() {
    if let next = waiting.popFirst() { next.resume() } else { isBusy = false }
  }
}

extension Route {
  /// Most bytes of its body, which is JSON. Bodies of `/store` are bytes, without a limit.
  var largestBody: Int {
    switch self {
    case .feedAppend, .mutableSet: 64 << 20
    case .loadBatch: 32 << 20
    case .feedWatch, .replicate, .storeVerify, .storeRemove, .storeRemovePreview, .storeRelease, .storePin, .storeUnpin:
      16 << 20
    case .feedSetRules: 4 << 20
    default: 1 << 20
    }
  }
}
