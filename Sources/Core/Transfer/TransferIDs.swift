/// Names one client's wish for a file.
package struct LoadID: Hashable, Sendable {
  package let number: UInt64

  package init(number: UInt64) { self.number = number }
}

/// Names one client's search for the nodes that have a file.
package struct FindID: Hashable, Sendable {
  package let number: UInt64

  package init(number: UInt64) { self.number = number }
}

/// Names one download, which may serve several loads.
package struct DownloadID: Hashable, Sendable {
  package let number: UInt64

  package init(number: UInt64) { self.number = number }
}

/// Names one piece of a download on its way from one node.
package struct FetchID: Hashable, Sendable {
  package let number: UInt64

  package init(number: UInt64) { self.number = number }
}
