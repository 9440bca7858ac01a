/// Identifies a client's load.
package struct LoadID: Hashable, Sendable {
  package let number: UInt64

  package init(number: UInt64) { self.number = number }
}

/// Identifies a client's search for the nodes that have a file.
package struct FindID: Hashable, Sendable {
  package let number: UInt64

  package init(number: UInt64) { self.number = number }
}

/// Identifies a download, which may serve several loads.
package struct DownloadID: Hashable, Sendable {
  package let number: UInt64

  package init(number: UInt64) { self.number = number }
}

/// Identifies the fetch of a piece from one node.
package struct FetchID: Hashable, Sendable {
  package let number: UInt64

  package init(number: UInt64) { self.number = number }
}
