import EventLoop
import Primitives
import TLS
import Testing

@testable import Links

/// Peers that vanish, or flood.
@Suite(.timeLimit(.minutes(1))) struct HostilePeerTests {
  /// The peer has a loop of its own, which ends as a process does: nothing is sent before its sockets close.
  @Test func aPeerThatVanishesMidStreamEndsTheStream() async throws {
    let identities = try TestIdentities.shared.get()
    let serving = try EventLoop(name: "serving")
    let endpoint = try await serving.run { () throws -> Endpoint in
      let host = LinkHost(loop: serving, identity: identities.listener)
      var links: [Link] = []
      host.onLink = { link in
        // Owned by its own callback, as long as it is up.
        links.append(link)
        link.onStream = { stream in stream.onData = { [weak stream] in stream?.consumed($0.count) } }
        link.onClose = { _ in _ = (host, links) }
      }
      let endpoint = try host.listen(host: "127.0.0.1", port: 0)
      _ = serving.after(.seconds(30)) { host.close() }
      return endpoint
    }
    let asking = try EventLoop(name: "asking")
    let (end, code): (LinkStreamEnd?, KacheryError.Code?) = await withCheckedContinuation { continuation in
      asking.post {
        let host = LinkHost(loop: asking, identity: identities.dialer)
        _ = host.dial(to: endpoint, expected: nil, timeout: .seconds(30)) { result in
          guard let link = try? result.get() else { return continuation.resume(returning: (nil, nil)) }
          var end: LinkStreamEnd?
          let stream = link.openStream()
          stream.onEnd = { end = $0 }
          link.onClose = { error in
            host.close()
            _ = link
            continuation.resume(returning: (end, error?.code))
          }
          let fill = { [weak stream] in
            while let stream, stream.isWritable { stream.write([UInt8](repeating: 1, count: 64 << 10)) }
          }
          stream.onWritable = fill
          fill()
          Task.detached { await serving.shutdown() }
        }
      }
    }
    #expect(end == .linkClosed)
    #expect(code == .disconnected)
    await serving.shutdown()
    await asking.shutdown()
    #expect(serving.openHandles == 0 && asking.openHandles == 0)
  }

  /// A peer that sends pings and reads no answer must not fill this node's memory.
  @Test func aPeerThatFloodsAndReadsNothingIsCutOff() async throws {
    let loop = try EventLoop(name: "links")
    let identities = try TestIdentities.shared.get()
    let code: KacheryError.Code? = await withCheckedContinuation { continuation in
      loop.post {
        let (near, far) = MemoryWire.pair(on: loop, seed: 1)
        let handshake = PipeHandshake(
          loop: loop, pipe: far, identity: identities.listener, scratch: ScratchBuffer(), isDialer: false,
          expectedPeer: nil)
        guard
          let flooder = try? TLSChannel(
            over: near, identity: identities.dialer, isDialer: true, expectedPeer: nil, scratch: ScratchBuffer())
        else { return continuation.resume(returning: nil) }
        handshake.start { result in
          guard let carrier = try? result.get() else { return continuation.resume(returning: nil) }
          let link = Link(loop: loop, carrier: carrier)
          link.onClose = { error in
            _ = (link, handshake)
            flooder.close()
            continuation.resume(returning: error?.code)
          }
        }
        let ping: [UInt8] = [0, 2, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1]
        let pings = Array([[UInt8]](repeating: ping, count: 10_000).joined())
        let send = { [weak flooder] in
          while let flooder, flooder.pendingBytes == 0 {
            pings.withUnsafeBytes { flooder.write($0) }
            flooder.flush()
          }
        }
        flooder.onEstablished = { _ in
          near.pauseReading()
          send()
        }
        flooder.onDrain = send
        flooder.start()
      }
    }
    #expect(code == .protocolViolation)
    await loop.shutdown()
    #expect(loop.openHandles == 0)
  }
}
