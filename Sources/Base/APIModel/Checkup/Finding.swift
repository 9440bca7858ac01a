package import Primitives

/// One thing that is wrong, or could be better, and what to do about it.
package struct Finding: Hashable, Sendable {
  /// Scripts may rely on the codes.
  package enum Code: String, Sendable, CaseIterable {
    case noDaemon = "no_daemon"
    case storageFailed = "storage_failed"
    case diskFull = "disk_full"
    case proxyUnusable = "proxy_unusable"
    case noBootstrap = "no_bootstrap"
    case bootstrapsUnreachable = "bootstraps_unreachable"
    case bootstrapUnreachable = "bootstrap_unreachable"
    case noChannel = "no_channel"
    case channelUnreadable = "channel_unreadable"
    case notAuthorized = "not_authorized"
    case noMemberOnline = "no_member_online"
    case membersUnreachable = "members_unreachable"
    case membersRelayed = "members_relayed"
    case clockSkew = "clock_skew"
    case portPerDestination = "port_per_destination"
    case gatewayWithoutChannel = "gateway_without_channel"
    case gatewayChannelNotServed = "gateway_channel_not_served"
    case gatewayEverywhere = "gateway_everywhere"
  }

  /// How much it matters.
  package enum Severity: String, Sendable {
    /// It prevents sharing.
    case problem
    /// Sharing works, but could work better, or with more nodes.
    case advice
  }

  package let code: Code
  package let severity: Severity
  /// One sentence: what is wrong.
  package let summary: String
  /// One sentence: what helps.
  package let remedy: String

  init(_ code: Code, _ severity: Severity, _ summary: String, _ remedy: String) {
    (self.code, self.severity, self.summary, self.remedy) = (code, severity, summary, remedy)
  }

  package var json: JSONValue {
    [
      "code": .string(code.rawValue), "severity": .string(severity.rawValue), "summary": .string(summary),
      "remedy": .string(remedy),
    ]
  }
}
