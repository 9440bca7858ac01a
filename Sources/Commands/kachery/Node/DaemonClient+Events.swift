import APIModel
import HTTP
import Primitives

extension DaemonClient {
  /// Passes each event of the daemon to `receive`, until it returns false or the daemon ends the stream.
  func events(_ receive: (_ name: String, JSONValue) -> Bool) throws(KacheryError) {
    let request = request("GET", "/v1/events")
    var decoder = EventStreamDecoder()
    var refusal: [UInt8] = []
    var broken: KacheryError?
    var isEnough = false
    do throws(KacheryError) {
      let status = try HTTPClient.stream(request) { status, bytes in
        guard status == 200 else {
          refusal += bytes
          return refusal.count < 65_536
        }
        do throws(KacheryError) {
          for event in try decoder.receive(bytes) where !isEnough { isEnough = !receive(event.name, event.data) }
        } catch {
          broken = error
        }
        return broken == nil && !isEnough
      }
      guard status == 200 else { throw Self.error(status, refusal) }
    } catch {
      if let broken { throw broken }
      if !isEnough { throw error }
    }
  }
}
