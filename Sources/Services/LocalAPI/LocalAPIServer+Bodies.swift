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
    case .feedWatch, .storeVerify, .storeRemove, .storePin, .storeUnpin: 16 << 20
    case .feedSetRules: 4 << 20
    default: 1 << 20
    }
  }
}
