package import EventLoop
package import HTTP
package import Primitives

/// An HTTP server that runs on an event loop. Bound to the loop.
package final class HTTPService {
  /// How often to check whether clients have hung up or are late.
  private static let checkPeriod: Duration = .milliseconds(500)

  private let server: HTTPServer
  private let loop: EventLoop
  private var watch: DescriptorWatch?
  private var timer: Timer?
  private var isWorkPosted = false

  /// - Parameter server: not used by anyone else.
  package init(_ server: HTTPServer, on loop: EventLoop) {
    self.server = server
    self.loop = loop
  }

  /// The port of the server; 0 for a Unix socket.
  package var port: UInt16 { server.port }

  /// Starts answering.
  ///
  /// - Parameter onRequest: called for each request when its head has arrived, until `stop`.
  /// - Throws: `cancelled` if the loop is stopping.
  package func start(_ onRequest: @escaping (HTTPExchange) -> Void) throws(KacheryError) {
    // The watch and the timer keep the service alive until `stop`.
    server.onRequest = onRequest
    server.onWorkReady = { self.postWork() }
    watch = try loop.watch(descriptor: server.descriptor) { self.server.process() }
    timer = loop.after(Self.checkPeriod, repeating: Self.checkPeriod) {
      self.server.checkConnections()
      self.server.process()
    }
  }

  private func postWork() {
    guard !isWorkPosted else { return }
    isWorkPosted = true
    _ = loop.after(.zero) {
      self.isWorkPosted = false
      self.server.process()
    }
  }

  /// Closes every connection and stops listening. Idempotent.
  package func stop() {
    watch?.cancel()
    timer?.cancel()
    (watch, timer) = (nil, nil)
    server.close()
  }
}
