/// The page that shows a node in a browser. Its files are embedded in the program, so it needs no network and no folder.
package enum Page {
  /// A file of the page.
  package struct File: Sendable {
    /// Its name, such as `main.js`.
    package let name: String
    /// Its type for the header `Content-Type`.
    package let type: String
    package let bytes: [UInt8]
  }

  /// The document itself.
  package static let document = File(
    name: "page.html", type: "text/html; charset=utf-8", bytes: PackageResources.page_html)

  /// Everything that the document refers to.
  package static let parts: [File] =
    [
      File(name: "page.css", type: "text/css; charset=utf-8", bytes: PackageResources.page_css),
      File(name: "icon.svg", type: "image/svg+xml", bytes: PackageResources.icon_svg),
    ]
    + [
      ("array.js", PackageResources.array_js), ("channels.js", PackageResources.channels_js),
      ("connection.js", PackageResources.connection_js), ("dom.js", PackageResources.dom_js),
      ("feeds.js", PackageResources.feeds_js), ("format.js", PackageResources.format_js),
      ("main.js", PackageResources.main_js), ("overview.js", PackageResources.overview_js),
      ("peers.js", PackageResources.peers_js), ("picture.js", PackageResources.picture_js),
      ("plot.js", PackageResources.plot_js), ("preview.js", PackageResources.preview_js),
      ("store.js", PackageResources.store_js),
    ].map { File(name: $0.0, type: "text/javascript; charset=utf-8", bytes: $0.1) }
}
