import Glibc
import Primitives
import TestSupport
import Testing

@testable import Process

/// What a service manager hears, at a socket of the test's own.
@Suite struct ServiceNotifierTests {
  private func check(_ address: String) throws {
    let manager = try DatagramSocket(address)
    let notifier = ServiceNotifier(["NOTIFY_SOCKET": address])
    #expect(notifier.isHeard)
    notifier.ready(status: "one\nREADY=0")
    #expect(manager.nextText() == "READY=1\nSTATUS=\("one\nREADY=0".printable)")
    notifier.reloading()
    let reloading = try #require(manager.nextText())
    let microseconds = try #require(Int64(reloading.dropFirst("RELOADING=1\nMONOTONIC_USEC=".count)))
    #expect(reloading.hasPrefix("RELOADING=1\nMONOTONIC_USEC="))
    #expect(abs(Double(microseconds) / 1e6 - SteadyClock.seconds) < 60)
    notifier.alive()
    #expect(manager.nextText() == "WATCHDOG=1")
    notifier.stopping()
    #expect(manager.nextText()?.hasPrefix("STOPPING=1") == true)
    #expect(manager.nextText() == nil)
  }

  @Test func aSocketInAFolderHears() throws {
    let folder = try TemporaryFolder()
    try check(folder.path("notify"))
  }

  @Test func anAbstractSocketHears() throws { try check("@kachery-test-\(getpid())-\(UInt64.random(in: 0 ... .max))") }

  @Test func withoutAManagerNothingHappens() {
    for environment: [ByteString: String] in [[:], ["NOTIFY_SOCKET": ""], ["NOTIFY_SOCKET": "relative"]] {
      #expect(!ServiceNotifier(environment).isHeard)
    }
    for address in ["/nowhere/at/all", "@" + String(repeating: "x", count: 200)] {
      ServiceNotifier(["NOTIFY_SOCKET": address]).alive()
    }
  }

  @Test func theWatchdogIsFedTwiceInItsTime() {
    let own = "\(getpid())"
    func period(_ variables: [ByteString: String]) -> Duration? {
      ServiceNotifier(variables.merging(["NOTIFY_SOCKET": "/run/x"]) { old, _ in old }).watchdogPeriod
    }
    #expect(period(["WATCHDOG_USEC": "30000000", "WATCHDOG_PID": own]) == .seconds(15))
    #expect(period(["WATCHDOG_USEC": "30000000"]) == .seconds(15))
    #expect(period(["WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"]) == nil)
    for text in ["0", "-5", "x", ""] { #expect(period(["WATCHDOG_USEC": text]) == nil) }
    #expect(ServiceNotifier(["WATCHDOG_USEC": "30000000"]).watchdogPeriod == nil)
  }

  @Test func theJournalIsKnownByItsStream() throws {
    let folder = try TemporaryFolder()
    let path = try folder.write("stream", "")
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    defer { close(descriptor) }
    var status = stat()
    #expect(fstat(descriptor, &status) == 0)
    #expect(Journal.receives(descriptor, ["JOURNAL_STREAM": "\(status.st_dev):\(status.st_ino)"]))
    for text in ["\(status.st_dev):\(status.st_ino + 1)", "\(status.st_ino)", "", ":"] {
      #expect(!Journal.receives(descriptor, ["JOURNAL_STREAM": text]))
    }
    #expect(!Journal.receives(descriptor, [:]) && !Journal.receives(-1, ["JOURNAL_STREAM": "1:1"]))
  }
}
